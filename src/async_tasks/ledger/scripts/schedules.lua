-- Schedules: what is due, and what has been submitted. ARGV: 'register', name, text, next ms;
--   or 'advance', name, the moment that was due, next ms; or 'due'; or 'ran', name, id of what was submitted;
--   or 'pause', name, JSON of who; or 'resume', name, next ms. What falls due while it is paused is no run.
-- 'due' returns {now, ms until the next or -1, name, moment, name, moment, …}.
local what, name = ARGV[1], ARGV[2]
if what == 'register' then
  if redis.call('HGET', P .. 'schedules:text', name) ~= ARGV[3] or not redis.call('ZSCORE', P .. 'schedules', name) then
    redis.call('HSET', P .. 'schedules:text', name, ARGV[3])
    redis.call('ZADD', P .. 'schedules', ARGV[4], name)
  end
  return { NOW }
end
if what == 'advance' then
  -- Another dispatcher may have been faster.
  if redis.call('ZSCORE', P .. 'schedules', name) == ARGV[3] then redis.call('ZADD', P .. 'schedules', ARGV[4], name) end
  return { NOW }
end
if what == 'ran' then
  redis.call('HSET', P .. 'schedules:last', name, ARGV[3])
  return { NOW }
end
if what == 'pause' then
  local by = cjson.decode(ARGV[3])
  by.at = NOW
  redis.call('HSETNX', P .. 'controls', 'schedule:' .. name, cjson.encode(by))
  return { NOW }
end
if what == 'resume' then
  if redis.call('HDEL', P .. 'controls', 'schedule:' .. name) == 1 then redis.call('ZADD', P .. 'schedules', ARGV[3], name) end
  return { NOW }
end
local answer = { NOW, -1 }
local due = redis.call('ZRANGEBYSCORE', P .. 'schedules', '-inf', NOW, 'WITHSCORES')
for i = 1, #due, 2 do
  if redis.call('HEXISTS', P .. 'controls', 'schedule:' .. due[i]) == 0 then
    answer[#answer + 1] = due[i]
    answer[#answer + 1] = due[i + 1]
  end
end
local head = redis.call('ZRANGEBYSCORE', P .. 'schedules', '(' .. string.format('%.0f', NOW), '+inf', 'WITHSCORES', 'LIMIT', 0, 1)
if head[2] then answer[2] = math.ceil(tonumber(head[2]) - NOW) end
return answer
