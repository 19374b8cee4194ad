-- Bulk actions: what is to be done to all records of a filter, step by step, by whichever dispatcher is free.
-- ARGV: 'create', id, how many are kept, document (MessagePack), ids of records where they are named…
--   or 'take', lease ms: a step of the action that has waited longest;
--   or 'found', id, turn, cursor, whether that was all (0 or 1), how many had to be left, why, ids of records…
--   or 'settle', id, turn, how many, pause ms, then for each what became of it, why, and in words;
--   or 'stop', id, by whom.
-- A turn is a dispatcher's for the lease. When it runs out, another dispatcher begins the next turn with what was found
-- and not settled, and what the first still says is not heard: nothing is counted twice.
local what = ARGV[1]
local OPEN, ALL = P .. 'actions:open', P .. 'actions'
-- Of those that could not be done, so many are told of.
local TOLD = 100

local function key(id) return P .. 'action:' .. id end

local function forget(id)
  redis.call('DEL', key(id), key(id) .. ':todo', key(id) .. ':told')
  redis.call('ZREM', ALL, id)
  redis.call('ZREM', OPEN, id)
end

local function close(id, state)
  redis.call('HSET', key(id), 'state', state, 'finished_at', string.format('%.0f', NOW))
  redis.call('ZREM', OPEN, id)
end

local function count(id, outcome, why, by)
  redis.call('HINCRBY', key(id), why ~= '' and outcome .. ':' .. why or outcome, by)
end

local id = ARGV[2]

if what == 'create' then
  -- The same form sent twice is one action.
  if redis.call('EXISTS', key(id)) == 1 then return redis.call('HGETALL', key(id)) end
  for name, value in pairs(cmsgpack.unpack(ARGV[4])) do redis.call('HSET', key(id), name, value) end
  redis.call('HSET', key(id), 'id', id, 'state', 'running', 'asked_at', string.format('%.0f', NOW))
  for i = 5, #ARGV do redis.call('RPUSH', key(id) .. ':todo', ARGV[i]) end
  redis.call('ZADD', ALL, NOW, id)
  redis.call('ZADD', OPEN, NOW, id)
  -- The oldest make room, but for those that are being carried out.
  for _, old in ipairs(redis.call('ZRANGE', ALL, 0, -tonumber(ARGV[3]) - 1)) do
    if not redis.call('ZSCORE', OPEN, old) then forget(old) end
  end
  redis.call('PUBLISH', P .. 'wake', '1')
  return redis.call('HGETALL', key(id))
end

if what == 'take' then
  local head = redis.call('ZRANGE', OPEN, 0, 0, 'WITHSCORES')
  if not head[1] then return { -1 } end
  if tonumber(head[2]) > NOW then return { math.ceil(tonumber(head[2]) - NOW) } end
  id = head[1]
  redis.call('ZADD', OPEN, NOW + tonumber(ARGV[2]), id)
  redis.call('HINCRBY', key(id), 'turn', 1)
  redis.call('HSET', key(id), 'taken_at', string.format('%.0f', NOW))
  return { 0, redis.call('HGETALL', key(id)), redis.call('LRANGE', key(id) .. ':todo', 0, -1) }
end

if what == 'stop' then
  if redis.call('HGET', key(id), 'state') == 'running' then
    close(id, 'stopped')
    redis.call('HSET', key(id), 'stopped_by', ARGV[3])
  end
  return redis.call('HGETALL', key(id))
end

local state, turn = unpack(redis.call('HMGET', key(id), 'state', 'turn'))
if turn ~= ARGV[3] then return 0 end

if what == 'found' then
  -- Whoever has stopped it meanwhile wants nothing more to be begun.
  if state ~= 'running' then return 0 end
  redis.call('HSET', key(id), 'cursor', ARGV[4], 'ended', ARGV[5])
  if tonumber(ARGV[6]) > 0 then count(id, 'skipped', ARGV[7], ARGV[6]) end
  for i = 8, #ARGV do redis.call('RPUSH', key(id) .. ':todo', ARGV[i]) end
  return 1
end

-- What was done is counted, even if it has been stopped meanwhile.
redis.call('LTRIM', key(id) .. ':todo', ARGV[4], -1)
for i = 6, #ARGV, 3 do
  count(id, ARGV[i], ARGV[i + 1], 1)
  if ARGV[i + 2] ~= '' then
    redis.call('RPUSH', key(id) .. ':told', ARGV[i + 2])
    redis.call('LTRIM', key(id) .. ':told', -TOLD, -1)
  end
end
if state ~= 'running' then return 1 end
if redis.call('HGET', key(id), 'ended') == '1' and redis.call('EXISTS', key(id) .. ':todo') == 0 then
  close(id, 'finished')
else
  redis.call('ZADD', OPEN, math.max(NOW, redis.call('HGET', key(id), 'taken_at') + ARGV[5]), id)
end
return 1
