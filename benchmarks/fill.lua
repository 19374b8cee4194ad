-- Records as submit, claim and finish leave them, many in one call. ARGV: MessagePack of each: id, name, queue, worker,
-- submitted_by, batch_id (false for none), args (JSON), state, result (JSON or false), error (JSON or false),
-- milliseconds ago. Returns the bytes of their documents.
local clock, bytes = NOW, 0
for _, raw in ipairs(ARGV) do
  local id, name, queue, worker, submitted_by, batch_id, args, state, result, failure, ago = unpack(cmsgpack.unpack(raw))
  NOW = clock - ago
  local r = {
    v = 1, id = id, name = name, queue = queue, args = args, message_key = 'k-' .. id, retries = 0,
    submitted_by = submitted_by or nil, batch_id = batch_id or nil, submitted_at = NOW,
  }
  index(r)
  enter(r, 'PENDING', 'submitted')
  r.attempts = 1
  change(r, 'worker', worker)
  r.started_at = NOW
  enter(r, 'STARTED', 'started', { worker = worker, attempt = 1 })
  r.result, r.error, r.ended_by = result or nil, failure or nil, 't-' .. id
  local names = { SUCCESS = 'succeeded', FAILURE = 'failed', REVOKED = 'revoked' }
  enter(r, state, names[state], { worker = worker, attempt = 1 })
  bytes = bytes + #save_record(r)
end
return bytes
