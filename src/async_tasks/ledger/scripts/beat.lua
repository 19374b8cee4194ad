-- A worker's sign of life. ARGV: name, owner, ms since it started, what it says of itself, s for which it is remembered.
-- Returns the queues that are paused.
local name, key = ARGV[1], P .. 'worker:' .. ARGV[1]
if redis.call('HGET', key, 'owner') ~= ARGV[2] then
  redis.call('HSET', key, 'owner', ARGV[2], 'since', NOW - tonumber(ARGV[3]))
end
redis.call('HSET', key, 'said', ARGV[4])
redis.call('EXPIRE', key, ARGV[5])
redis.call('ZADD', P .. 'workers', NOW, name)
redis.call('ZREMRANGEBYSCORE', P .. 'workers', '-inf', NOW - 1000 * tonumber(ARGV[5]))
local paused = {}
for _, field in ipairs(redis.call('HKEYS', P .. 'controls')) do
  local queue = string.match(field, '^paused:(.+)$')
  if queue then paused[#paused + 1] = queue end
end
return paused
