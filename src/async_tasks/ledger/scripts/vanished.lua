-- The broker's queue is empty, yet these are said to wait in it: publish them again, as a claim is a
-- compare-and-set and one message too many does no harm. ARGV: queue, older than ms, limit.
local ids = redis.call('ZRANGEBYSCORE', P .. 'waiting:' .. ARGV[1], '-inf', NOW - tonumber(ARGV[2]), 'LIMIT', 0, tonumber(ARGV[3]))
for _, id in ipairs(ids) do
  local r = load_record(id)
  if r and r.state == 'PENDING' then
    note(r, 'published again', { detail = 'it was in no queue any more' })
    announce(r, 'published again')
    save_record(r)
    publish_at(r, NOW)
  else
    redis.call('ZREM', P .. 'waiting:' .. ARGV[1], id)
  end
end
return #ids
