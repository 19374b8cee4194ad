-- A message will not be delivered any more. ARGV: id, message key, state, why, error's module, error's type.
-- Returns 'ended', 'left' (the record is final, is not in the broker, or has another message by now) or 'unknown'.
local r = load_record(ARGV[1])
if not r then return redis.call('EXISTS', P .. 'gone:' .. ARGV[1]) == 1 and 'left' or 'unknown' end
if is_final(r) or (r.message_key or '') ~= ARGV[2] then return 'left' end
-- What runs holds a lease, which decides about it; what is not due has another message to come.
if r.state ~= 'PENDING' then return 'left' end
if ARGV[3] == 'REVOKED' then
  revoke(r, 'expired', ARGV[4])
else
  fail(r, 'dead letter', ARGV[5], ARGV[6], ARGV[4])
end
save_record(r)
return 'ended'
