-- A worker ends in order; one that was started since under its name stays. ARGV: name, owner.
if redis.call('HGET', P .. 'worker:' .. ARGV[1], 'owner') == ARGV[2] then
  redis.call('DEL', P .. 'worker:' .. ARGV[1])
  redis.call('ZREM', P .. 'workers', ARGV[1])
end
return 0
