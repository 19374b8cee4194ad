-- The broker has confirmed these messages. ARGV: id, queue, message key, id, queue, message key, …
-- One that has moved on meanwhile (started, even sent itself again, held) is left alone: its entry in due is another's.
for i = 1, #ARGV, 3 do
  local r = load_record(ARGV[i])
  if r and r.state == 'PENDING' and not r.held and (r.message_key or '') == ARGV[i + 2] then
    redis.call('ZREM', P .. 'due', r.id)
    redis.call('ZADD', P .. 'waiting:' .. ARGV[i + 1], NOW, r.id)
  end
end
return #ARGV / 3
