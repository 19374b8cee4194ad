-- End a record. ARGV: id, state, owner, token, fields (document: result, error, exception, children, name, queue), detail.
-- Only whoever holds the claim ends a running one: the child by its token, the worker's parent by its owner.
-- Returns 'done', 'again' (the same end once more), 'refused' or 'created' (of an id without a record).
local id, state, owner, token = ARGV[1], ARGV[2], ARGV[3], ARGV[4]
local fields = cmsgpack.unpack(ARGV[5])
local r = load_record(id)
local created = false
if not r then
  if redis.call('EXISTS', P .. 'gone:' .. id) == 1 then return 'refused' end
  -- Celery ends ids that were never sent, such as the body of a chord whose header failed.
  r = { v = fields.v, id = id, name = fields.name, queue = fields.queue, submitted_at = NOW }
  index(r)
  enter(r, 'PENDING', 'submitted', { detail = 'was never sent' })
  created = true
end
if is_final(r) then
  return (r.state == state and token ~= '' and r.ended_by == token) and 'again' or 'refused'
end
if r.state == 'STARTED' then
  local holds = r.claim and (token ~= '' and r.claim.token == token or token == '' and owner ~= '' and r.claim.owner == owner)
  if not holds then return 'refused' end
elseif token ~= '' then
  -- It ran, and has lost its claim since.
  return 'refused'
elseif state == 'SUCCESS' then
  -- Only what ran can have succeeded; an id ended by hand has run somewhere we do not know of.
  if not (created or r.placeholder) then return 'refused' end
  enter(r, 'STARTED', 'started', { detail = 'outside' })
end
for _, field in ipairs({ 'result', 'error', 'exception', 'children' }) do r[field] = fields[field] end
r.ended_by = token ~= '' and token or nil
local names = { SUCCESS = 'succeeded', FAILURE = 'failed', REVOKED = r.cancel_requested and 'cancelled' or 'revoked' }
local entry = { worker = r.worker, attempt = r.attempts }
if ARGV[6] ~= '' then entry.detail = ARGV[6] end
if not enter(r, state, names[state], entry) then return 'refused' end
-- Celery itself ends what follows a failure; what follows a revoked task it forgets.
if state == 'REVOKED' or ARGV[7] == '1' then revoke_followers(r) end
save_record(r)
return created and 'created' or 'done'
