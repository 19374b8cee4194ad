-- Record the next submissions of a batch, in order; `submit` is submit.lua as a function of its arguments.
-- ARGV: batch, place of the first, entries of the whole batch, head (document), how long to keep a batch without a
--       record of its own (s), then of each submission: its id, how many arguments it has, and these…
-- Returns {outcome, id, publish now, …}.
local batch, first, head = ARGV[1], tonumber(ARGV[2]), cmsgpack.unpack(ARGV[4])
local key, order = P .. 'batch:' .. batch, P .. 'order:' .. batch
local answer, ids = {}, {}

local at = 6
while at <= #ARGV do
  local id, count = ARGV[at], tonumber(ARGV[at + 1])
  local arguments = {}
  for i = 1, count do arguments[i] = ARGV[at + 1 + i] end
  at = at + 2 + count
  local one = submit(arguments)
  local outcome = one[1]
  if outcome == 'repeated' or outcome == 'conflict' or outcome == 'duplicate' then id = cmsgpack.unpack(one[2]).id end
  -- The key is another batch's: this one leaves no trace.
  if outcome == 'conflict' then return { outcome, id, 0 } end
  ids[#ids + 1] = id
  answer[#answer + 1] = outcome
  answer[#answer + 1] = id
  answer[#answer + 1] = one[3]
end

redis.call('HSETNX', key, 'total', ARGV[3])
if redis.call('HSETNX', key, 'submitted_at', NOW) == 1 then
  for field, value in pairs(head) do redis.call('HSET', key, field, value) end
  redis.call('ZADD', P .. 'batches', NOW, batch)
end
local written = tonumber(redis.call('HGET', key, 'written') or 0)
redis.call('HSET', key, 'written', math.max(written, first + #ids))
redis.call('HSET', order, first, cmsgpack.pack(ids))
-- The trimmer removes a batch with the last of its records. Where every task is another's there is none.
for _, name in ipairs({ key, order }) do
  if redis.call('HEXISTS', key, 'recorded') == 1 then redis.call('PERSIST', name) else redis.call('EXPIRE', name, ARGV[5]) end
end
return answer
