-- Which numbers have certain values, newest segments first. ARGV: number before which to look or '', since ms or '',
-- until ms or '', segments at most, field:value…
-- Returns {whether there are older segments (0 or 1), segment, first and last offset to look at, a bitmap or {offsets}
-- for each field:value, segment, …}. Offsets are those of numbers within their segment.
local before, since, till = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])
local limit = tonumber(ARGV[4])

local function time_of(segment, at)
  return struct.unpack('>I' .. ENTRY, redis.call('LINDEX', P .. 'ids:' .. segment, at))
end

-- The first offset from low on whose time is not less, by halving: numbers follow the time.
local function first_since(segment, ms, low, high)
  while low < high do
    local middle = math.floor((low + high) / 2)
    if time_of(segment, middle) < ms then low = middle + 1 else high = middle end
  end
  return low
end

local function members(key)
  local kind = redis.call('TYPE', key).ok
  if kind ~= 'set' then return redis.call('GET', key) or '' end
  -- As one string, which readers take apart faster than hundreds of answers.
  return { table.concat(redis.call('SMEMBERS', key), ' ') }
end

local answer = { 0 }
local top = before and segment_of(before - 1) or '+inf'
local found = redis.call('ZREVRANGEBYSCORE', P .. 'segments', top, '-inf')
for i, name in ipairs(found) do
  local segment = tonumber(name)
  local low, high = 0, redis.call('LLEN', P .. 'ids:' .. segment)
  if before then high = math.min(high, before - segment * SEGMENT) end
  local began = (since or till) and time_of(segment, 0)
  if till and began > till then
    high = 0
  elseif till and time_of(segment, high - 1) > till then
    high = first_since(segment, till + 1, 0, high)
  end
  local ends = since and began < since
  if ends then low = first_since(segment, since, 0, high) end
  if low < high then
    if limit == 0 then
      answer[1] = 1
      break
    end
    limit = limit - 1
    answer[#answer + 1] = segment
    answer[#answer + 1] = low
    answer[#answer + 1] = high
    for n = 5, #ARGV do answer[#answer + 1] = members(P .. 'idx:' .. segment .. ':' .. ARGV[n]) end
  end
  if ends then break end
end
return answer
