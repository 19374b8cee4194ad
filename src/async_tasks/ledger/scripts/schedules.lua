-- Schedules: what is due, and what has been submitted. ARGV: 'register', name, text, next ms;
--   or 'advance', name, the moment that was due, next ms; or 'due'.
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
local answer = { NOW, -1 }
for _, part in ipairs(redis.call('ZRANGEBYSCORE', P .. 'schedules', '-inf', NOW, 'WITHSCORES')) do
  answer[#answer + 1] = part
end
local head = redis.call('ZRANGEBYSCORE', P .. 'schedules', '(' .. string.format('%.0f', NOW), '+inf', 'WITHSCORES', 'LIMIT', 0, 1)
if head[2] then answer[2] = math.ceil(tonumber(head[2]) - NOW) end
return answer
