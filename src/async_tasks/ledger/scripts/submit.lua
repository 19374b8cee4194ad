-- Record a submission before it is published.
-- ARGV: document, message, due at, delay, expires at, expires in, publish grace (all ms, '' for none; without
--       a grace a dispatcher is to publish it),
--       kind ('new', 'retry' or 'replace'), token of the sender's own claim or '', list and message of the broker
--       if that is this store (else ''), documents of the members of its canvas that wait for it…
-- A known id is recorded again only by its own running task (a retry or a replacement) or where it
-- was a placeholder. An idempotency key that was used before answers with the record that it made.
-- A unique task that is there already answers with its record.
-- Returns {outcome, record, publish now}.
local doc = cmsgpack.unpack(ARGV[1])
local message, kind, token = ARGV[2], ARGV[8], ARGV[9]
local due = tonumber(ARGV[3])
if ARGV[4] ~= '' then due = NOW + tonumber(ARGV[4]) end
local expires = tonumber(ARGV[5])
if ARGV[6] ~= '' then expires = NOW + tonumber(ARGV[6]) end
local grace = tonumber(ARGV[7])

if doc.idempotency_key then
  local key = P .. 'idem:' .. doc.idempotency_key
  local first = redis.call('GET', key)
  local known = first and first ~= doc.id and load_record(first)
  if known then
    return { known.fingerprint == doc.fingerprint and 'repeated' or 'conflict', cmsgpack.pack(known), 0 }
  end
end

local r = load_record(doc.id)
if not r and doc.unique_key then
  local first = redis.call('GET', P .. 'uniq:' .. doc.unique_key)
  local known = first and load_record(first)
  if known and (not is_final(known) or (doc.unique_for and known.submitted_at + doc.unique_for > NOW)) then
    return { 'duplicate', cmsgpack.pack(known), 0 }
  end
  redis.call('SET', P .. 'uniq:' .. doc.unique_key, doc.id)
end
if doc.idempotency_key then redis.call('SET', P .. 'idem:' .. doc.idempotency_key, doc.id) end

if r then
  local resend = r.state == 'STARTED' and r.claim and r.claim.token == token and kind ~= 'new'
  if not resend and not (r.placeholder and not is_final(r)) then
    -- The same call again after a lost answer is welcome; anything else changes nothing.
    local again = r.message_key == doc.message_key and r.state == 'PENDING'
    return { again and 'again' or 'known', cmsgpack.pack(r), again and 1 or 0 }
  end
  displace(r)
  change(r, 'name', doc.name)
  change(r, 'queue', doc.queue)
  for _, field in ipairs({ 'args', 'priority', 'message_key', 'retries', 'followers', 'bodies' }) do
    r[field] = doc[field]
  end
  r.placeholder, r.claim = nil, nil
else
  if kind ~= 'new' then return { 'lost', '', 0 } end
  r = doc
  r.submitted_at = NOW
  index(r)
  local original = r.replay_of and load_record(r.replay_of)
  if original then
    note(original, 'replayed', { detail = r.id })
    announce(original, 'replayed')
    save_record(original)
  end
end

if expires then
  r.expires_at = expires
  redis.call('ZADD', P .. 'expiring', expires, r.id)
end
redis.call('SET', P .. 'msg:' .. r.id, message)
for _, body in ipairs(r.bodies or {}) do redis.call('SADD', P .. 'members:' .. body, r.id) end

for i = 12, #ARGV do
  local placeholder = cmsgpack.unpack(ARGV[i])
  if redis.call('EXISTS', P .. 'task:' .. placeholder.id) == 0 then
    placeholder.submitted_at = NOW
    placeholder.placeholder = true
    index(placeholder)
    enter(placeholder, 'PENDING', 'submitted', { detail = 'waits for ' .. r.id })
    save_record(placeholder)
  else
    -- A running task that replaces itself by a chain or a chord hands its id to the last part of it.
    local own = load_record(placeholder.id)
    if token ~= '' and own.state == 'STARTED' and own.claim.token == token then
      redis.call('ZREM', P .. 'leases', own.id)
      own.claim, own.message_key, own.placeholder = nil, nil, true
      redis.call('DEL', P .. 'msg:' .. own.id)
      enter(own, 'PENDING', 'replaced', { detail = 'waits for ' .. r.id })
      save_record(own)
    end
  end
end

r.due_at = nil
local now = false
if expired(r) then
  if not r.state then enter(r, 'PENDING', 'submitted') end
  revoke(r, 'expired', 'expired before it was submitted')
elseif kind == 'retry' then
  r.due_at = due or NOW
  enter(r, 'RETRY', 'retry', { attempt = r.attempts })
  publish_at(r, r.due_at)
elseif due and due > NOW then
  r.due_at = due
  if r.state then
    -- A member of a canvas that already has its record: PENDING it stays, and is published when due.
    enter(r, 'PENDING', 'delayed')
  else
    enter(r, 'SCHEDULED', 'submitted')
  end
  publish_at(r, due)
else
  local paused = redis.call('HEXISTS', P .. 'controls', 'paused:' .. r.queue) == 1
  local event = kind == 'replace' and 'replaced' or (r.timeline and 'sent' or 'submitted')
  enter(r, 'PENDING', event, paused and { detail = 'its queue is paused' } or nil)
  if ARGV[10] ~= '' then
    displace(r)
    redis.call('LPUSH', ARGV[10], ARGV[11])
    redis.call('ZADD', P .. 'waiting:' .. r.queue, NOW, r.id)
  else
    -- Whoever sends it now has this long; then it is a dispatcher's.
    publish_at(r, NOW + (grace or 0))
    now = grace ~= nil
  end
end
return { 'recorded', save_record(r), now and 1 or 0 }
