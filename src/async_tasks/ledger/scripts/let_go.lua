-- A dispatcher lets go what was held for a task's limit: as many as may start now, but for those that are on their way
-- already. ARGV: task, at most how many.
local name, most = ARGV[1], tonumber(ARGV[2])
local waiting, on_the_way = P .. 'limited:' .. name, P .. 'released:' .. name
local packed = redis.call('HGET', P .. 'controls', 'limit:' .. name)
local free, again = most, NOW
if packed then free, again = room(name, cmsgpack.unpack(packed)) end
-- What is not claimed in that time is behind others in its queue, or its queue is paused: it keeps nobody else waiting.
redis.call('ZREMRANGEBYSCORE', on_the_way, '-inf', NOW - 10000)
free = math.min(most, free - redis.call('ZCARD', on_the_way))
if free > 0 then
  for _, id in ipairs(redis.call('ZRANGE', waiting, 0, free - 1)) do
    local r = load_record(id)
    if r and r.held and not is_final(r) then
      publish_at(r, NOW)
      r.released = true
      redis.call('ZADD', on_the_way, NOW, id)
      save_record(r)
    else
      redis.call('ZREM', waiting, id)
    end
  end
end
redis.call('ZREM', P .. 'errands', 'limit:' .. name)
if redis.call('EXISTS', waiting) == 1 then errand('limit:' .. name, again) end
return 0
