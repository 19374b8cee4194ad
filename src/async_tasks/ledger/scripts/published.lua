-- The broker has confirmed these messages. ARGV: id, queue, id, queue, …
-- One that a worker has started meanwhile is no longer due, and is left alone.
for i = 1, #ARGV, 2 do
  if redis.call('ZREM', P .. 'due', ARGV[i]) == 1 then
    redis.call('ZADD', P .. 'waiting:' .. ARGV[i + 1], NOW, ARGV[i])
  end
end
return #ARGV / 2
