-- Publish what is due, where the broker is this store. ARGV: id, queue, message key, list, message, id, …
-- One that has moved on meanwhile (cancelled, published by another dispatcher) is left alone. Returns how many were published.
local pushed = 0
for i = 1, #ARGV, 5 do
  local r = load_record(ARGV[i])
  if r and r.state == 'PENDING' and (r.message_key or '') == ARGV[i + 2] and redis.call('ZSCORE', P .. 'due', r.id) then
    redis.call('LPUSH', ARGV[i + 3], ARGV[i + 4])
    redis.call('ZREM', P .. 'due', r.id)
    redis.call('ZADD', P .. 'waiting:' .. ARGV[i + 1], NOW, r.id)
    pushed = pushed + 1
  end
end
return pushed
