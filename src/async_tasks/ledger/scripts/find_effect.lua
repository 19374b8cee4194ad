-- A running task asks whether it has done something before. ARGV: id, token, key.
-- Returns {'done', value (JSON)}, {'open', ''} or {'lost', ''} if it no longer holds the claim.
local r = load_record(ARGV[1])
if not r or r.state ~= 'STARTED' or r.claim.token ~= ARGV[2] then return { 'lost', '' } end
local value = redis.call('HGET', P .. 'effects:' .. r.id, ARGV[3])
return value and { 'done', value } or { 'open', '' }
