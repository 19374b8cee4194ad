-- Revoke what waits in a queue at the moment at which that was commanded. Their messages are dropped when they are
-- delivered, as the records are final. ARGV: queue, JSON of who commands it ('' to go on with what was commanded before),
-- at most how many. Returns {how many, whether there are more}.
local queue, most = ARGV[1], tonumber(ARGV[3])
local what = 'purge:' .. queue
if ARGV[2] ~= '' then
  local by = cjson.decode(ARGV[2])
  by.at = NOW
  redis.call('HSET', P .. 'controls', what, cjson.encode(by))
  errand(what, NOW + DISPATCHER_NAP)
end
local commanded = redis.call('HGET', P .. 'controls', what)
if not commanded then
  redis.call('ZREM', P .. 'errands', what)
  return { 0, 0 }
end
local order = cjson.decode(commanded)
local ids, purged = {}, 0

for _, set in ipairs({ 'waiting:', 'held:' }) do
  local found = redis.call('ZRANGEBYSCORE', P .. set .. queue, '-inf', order.at, 'LIMIT', 0, most - #ids)
  for _, id in ipairs(found) do ids[#ids + 1] = id end
end
local more = #ids == most
if not more then
  -- On its way into the queue: whoever publishes it has a lease of some seconds.
  for _, id in ipairs(redis.call('ZRANGEBYSCORE', P .. 'due', '-inf', NOW + 60000, 'LIMIT', 0, 1000)) do ids[#ids + 1] = id end
end
for _, id in ipairs(ids) do
  local r = load_record(id)
  if not (r and r.state == 'PENDING') then
    redis.call('ZREM', P .. 'waiting:' .. queue, id)
    redis.call('ZREM', P .. 'held:' .. queue, id)
  elseif r.queue == queue and r.submitted_at <= order.at then
    revoke(r, 'purged', 'purged from queue ' .. queue .. (order.by and ' by ' .. order.by or ''))
    save_record(r)
    purged = purged + 1
  end
end
if not more then
  redis.call('HDEL', P .. 'controls', what)
  redis.call('ZREM', P .. 'errands', what)
else
  redis.call('ZADD', P .. 'errands', NOW + DISPATCHER_NAP, what)
end
return { purged, more and 1 or 0 }
