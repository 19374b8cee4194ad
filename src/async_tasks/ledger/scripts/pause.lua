-- An operator pauses a queue, or lets it go on. ARGV: queue, 'pause' or 'resume', JSON of who.
-- Nothing of a paused queue starts from this moment on: claims are refused. Workers hear of it by their heartbeat.
-- Returns whether that is a change.
local field = 'paused:' .. ARGV[1]
if ARGV[2] == 'pause' then
  local by = cjson.decode(ARGV[3])
  by.at = NOW
  return redis.call('HSETNX', P .. 'controls', field, cjson.encode(by))
end
if redis.call('EXISTS', P .. 'resting:' .. ARGV[1]) == 1 then errand('resume:' .. ARGV[1], NOW) end
return redis.call('HDEL', P .. 'controls', field)
