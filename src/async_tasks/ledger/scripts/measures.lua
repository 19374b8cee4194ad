-- What is measured, from minute to minute. The hash of a minute that is over becomes a packed table, {name: {what: n}},
-- of that minute, and is added to those of its ten minutes and its hour; whoever comes first does that.
-- ARGV: 'sample', at most every ms, forget groups after ms, queues…
--   or: 'read', minutes of a bucket (1, 10 or 60), how many, queues….
-- 'read' returns {now, running, due, {waiting in each queue}, the open minute's hash, packed buckets…}, the buckets from
-- the oldest to the one that is open, '' where nothing is.
local KEPT = { [1] = 3 * 3600, [10] = 26 * 3600, [60] = MEASURED_FOR }
-- Names come from whoever sends messages: beyond these, all are one.
local NAMES, OTHERS = 500, '(others)'
local now = math.floor(NOW / MINUTE)

local function add(sum, counts)
  local names = 0
  for _ in pairs(sum) do names = names + 1 end
  for name, entries in pairs(counts) do
    if not sum[name] then
      if names >= NAMES then name = OTHERS end
      sum[name] = sum[name] or {}
      names = names + 1
    end
    local own = sum[name]
    for what, n in pairs(entries) do
      local before = own[what] or 0
      own[what] = what == 'd' and math.max(before, n) or before + n
    end
  end
  -- A group that is known no more counts no more, so that what is kept has a bound.
  for _, own in pairs(sum) do
    for what in pairs(own) do
      local fingerprint = what:match('^e(.+)')
      if fingerprint and not redis.call('ZSCORE', P .. 'failures', fingerprint) then own[what] = nil end
    end
  end
end

local function pack_minute(at)
  local key = P .. 'measured:' .. at
  local fields = redis.call('HGETALL', key)
  if #fields == 0 then return end
  local counts = {}
  for i = 1, #fields, 2 do
    local what, name = fields[i]:match('^([^:]*):(.*)$')
    counts[name] = counts[name] or {}
    counts[name][what] = tonumber(fields[i + 1])
  end
  for size, seconds in pairs(KEPT) do
    local bucket = P .. 'measured:' .. size .. ':' .. at - at % size
    local packed = redis.call('GET', bucket)
    local sum = packed and cmsgpack.unpack(packed) or {}
    add(sum, counts)
    redis.call('SET', bucket, cmsgpack.pack(sum), 'EX', seconds)
  end
  redis.call('DEL', key)
end

local function pack_what_is_over()
  local rolled = tonumber(redis.call('GET', P .. 'measured:rolled') or 0)
  if rolled == now - 1 then return end
  -- A clock that was ahead has said so of minutes that are still to come.
  if rolled >= now then rolled = 0 end
  for at = math.max(rolled + 1, now - MEASURED_FOR / 60), now - 1 do pack_minute(at) end
  redis.call('SET', P .. 'measured:rolled', now - 1)
end

if ARGV[1] == 'sample' then
  if not redis.call('SET', P .. 'measured:sampled', '', 'NX', 'PX', ARGV[2]) then return 0 end
  pack_what_is_over()
  local key = P .. 'measured:' .. now
  for i = 4, #ARGV do
    local waiting = redis.call('ZCARD', P .. 'waiting:' .. ARGV[i])
    local most = tonumber(redis.call('HGET', key, 'd:' .. ARGV[i]) or 0)
    redis.call('HSET', key, 'd:' .. ARGV[i], math.max(waiting, most))
  end
  redis.call('EXPIRE', key, MEASURED_FOR)
  local old = redis.call('ZRANGEBYSCORE', P .. 'failures', '-inf', NOW - tonumber(ARGV[3]), 'LIMIT', 0, 100)
  for _, fingerprint in ipairs(old) do forget_group(fingerprint) end
  return 1
end

pack_what_is_over()
local size, count = tonumber(ARGV[2]), tonumber(ARGV[3])
local waiting = {}
for i = 4, #ARGV do waiting[#waiting + 1] = redis.call('ZCARD', P .. 'waiting:' .. ARGV[i]) end
local answer = {
  NOW, redis.call('ZCARD', P .. 'leases'), redis.call('ZCARD', P .. 'due'), waiting,
  redis.call('HGETALL', P .. 'measured:' .. now),
}
local last = now - now % size
for at = last - (count - 1) * size, last, size do
  answer[#answer + 1] = redis.call('GET', P .. 'measured:' .. size .. ':' .. at) or ''
end
return answer
