-- These are said to wait in the broker's queue, yet it is empty, or what was put there later has been claimed:
-- publish them again, as a claim is a compare-and-set and one message too many does no harm.
-- ARGV: queue, older than ms (than now, or than what was claimed last), limit, whether the queue is empty (0 or 1).
-- Returns how many.
local now = ARGV[4] == '1' and NOW or tonumber(redis.call('GET', P .. 'passed:' .. ARGV[1]) or 0)
local ids = redis.call('ZRANGEBYSCORE', P .. 'waiting:' .. ARGV[1], '-inf', now - tonumber(ARGV[2]), 'LIMIT', 0, tonumber(ARGV[3]))
local count = 0
for _, id in ipairs(ids) do
  local r = load_record(id)
  if r and r.state == 'PENDING' then
    count = count + 1
    note(r, 'published again', { detail = 'it was in no queue any more' })
    announce(r, 'published again')
    save_record(r)
    publish_at(r, NOW)
  else
    redis.call('ZREM', P .. 'waiting:' .. ARGV[1], id)
  end
end
return count
