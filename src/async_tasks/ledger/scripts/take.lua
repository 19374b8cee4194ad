-- A dispatcher takes what has come due. ARGV: limit, publish lease ms, lease of a worker ms, max losses.
-- What it takes is its own for the publish lease; if it dies, another takes it then.
-- Returns {ms until the next is due or -1, id, message, id, message, …}.
local limit, lease, worker_lease = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])

-- Dispatchers look once a second: this is as long as two have failed to, or as a lease lasts that was just renewed.
local looked = tonumber(redis.call('GET', P .. 'looked') or 0)
if NOW - looked > math.max(2 * DISPATCHER_NAP, 0.75 * worker_lease) then
  redis.call('SET', P .. 'living', NOW + worker_lease)
end
redis.call('SET', P .. 'looked', NOW)

if may_take_over() then
  for _, id in ipairs(redis.call('ZRANGEBYSCORE', P .. 'leases', '-inf', NOW, 'LIMIT', 0, limit)) do
    local r = load_record(id)
    if r and r.state == 'STARTED' then
      lose(r, 'lease run out', 'no sign of life from its worker', tonumber(ARGV[4]))
      if r.state == 'PENDING' then publish_at(r, NOW) end
      save_record(r)
    else
      redis.call('ZREM', P .. 'leases', id)
    end
  end
end

for _, id in ipairs(redis.call('ZRANGEBYSCORE', P .. 'expiring', '-inf', NOW, 'LIMIT', 0, limit)) do
  local r = load_record(id)
  redis.call('ZREM', P .. 'expiring', id)
  if r and not is_final(r) and r.state ~= 'STARTED' then
    revoke(r, 'expired', 'expired')
    save_record(r)
  end
end

local answer = { -1 }
for _, id in ipairs(redis.call('ZRANGEBYSCORE', P .. 'due', '-inf', NOW, 'LIMIT', 0, limit)) do
  local r = load_record(id)
  local message = r and redis.call('GET', P .. 'msg:' .. id)
  if message and (r.state == 'SCHEDULED' or r.state == 'RETRY' or r.state == 'PENDING') then
    if r.state ~= 'PENDING' then
      enter(r, 'PENDING', 'due')
      save_record(r)
    end
    redis.call('ZADD', P .. 'due', NOW + lease, id)
    answer[#answer + 1] = id
    answer[#answer + 1] = message
  else
    redis.call('ZREM', P .. 'due', id)
  end
end

for _, set in ipairs({ 'due', 'leases', 'expiring' }) do
  local head = redis.call('ZRANGE', P .. set, 0, 0, 'WITHSCORES')
  if head[2] then
    local at = tonumber(head[2])
    if set == 'leases' then at = math.max(at, tonumber(redis.call('GET', P .. 'living') or 0)) end
    local ms = math.max(0, math.ceil(at - NOW))
    if answer[1] < 0 or ms < answer[1] then answer[1] = ms end
  end
end
return answer
