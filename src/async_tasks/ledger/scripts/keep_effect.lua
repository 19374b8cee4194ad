-- It is done, whoever holds the claim by now. ARGV: id, key, value (JSON).
local r = load_record(ARGV[1])
if not r then return 0 end
redis.call('HSET', P .. 'effects:' .. r.id, ARGV[2], ARGV[3])
note(r, 'effect done', { detail = ARGV[2] })
announce(r, 'effect done')
save_record(r)
return 1
