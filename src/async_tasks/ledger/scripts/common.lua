-- Shared by every script of the ledger; the loader puts LEGAL (from record.MOVES), TIMELINE_CAP and
-- STREAM_CAP before it. KEYS[1] is the prefix of all keys: keys are computed from it, so a Cluster is
-- not supported. Times are milliseconds by the store's clock, never that of a web or worker host.
--
--   task:<id>         the record, MessagePack
--   msg:<id>          the exact message, while the record is unfinished
--   idx:all, idx:state:<state>, idx:name:<name>, idx:by:<submitter>, idx:batch:<batch>, idx:root:<id>, idx:group:<group>
--                     ids by time of submission
--   idem:<key>        id that was submitted with this idempotency key, as long as its record lives
--   due               ids that somebody must publish, by when
--   waiting:<queue>   ids that are in the broker, by when they were put there
--   passed:<queue>    when that was put there which was claimed last, of those without a priority
--   leases            ids that run, by when their worker is given up
--   looked            when a dispatcher last looked;  living: until when nobody is taken for dead
--   expiring          unfinished ids with an expiry, by when
--   finished          ids by time of finish, for the trimmer
--   dead              messages that belong to no record and that nobody will run
--   effects:<id>      what a task has done to the world, by its keys
--   log:<id>          what a task has logged, its last lines
--   uniq:<key>        id of the unique task that stands for all that are equal to it
--   schedules         names of scheduled tasks, by when they are due; schedules:text, their words
--   members:<id>      ids of the parts of the chord whose body this is
--   gone:<id>         tombstone of a trimmed record
--   changes           stream of every change;  wake: channel that wakes dispatchers
--
-- An unfinished record is in exactly one of due, waiting and leases, but for placeholders.
local P = KEYS[1]
local TIME = redis.call('TIME')
local NOW = TIME[1] * 1000 + math.floor(TIME[2] / 1000)
-- A dispatcher looks at its own once a second; only what is due sooner must wake it.
local DISPATCHER_NAP = 1100

local function load_record(id)
  local raw = redis.call('GET', P .. 'task:' .. id)
  if raw then return cmsgpack.unpack(raw) end
end

local function save_record(r)
  local raw = cmsgpack.pack(r)
  redis.call('SET', P .. 'task:' .. r.id, raw)
  return raw
end

local function is_final(r)
  return next(LEGAL[r.state]) == nil
end

local function note(r, event, fields)
  local entry = fields or {}
  entry.at = NOW
  entry.event = event
  local timeline = r.timeline or {}
  timeline[#timeline + 1] = entry
  if #timeline > TIMELINE_CAP then
    -- The beginning and the end tell most: what is dropped is the oldest of the middle.
    r.elided = (r.elided or 1) + 1
    local gap = math.floor(TIMELINE_CAP / 4)
    table.remove(timeline, gap + 1)
    timeline[gap] = { at = timeline[gap].at, event = 'elided', detail = r.elided .. ' events left out' }
  end
  r.timeline = timeline
end

local function announce(r, event)
  local fields = { 'id', r.id, 'name', r.name, 'state', r.state, 'event', event, 'at', string.format('%.0f', NOW) }
  if r.submitted_by then
    fields[#fields + 1] = 'by'
    fields[#fields + 1] = r.submitted_by
  end
  redis.call('XADD', P .. 'changes', 'MAXLEN', '~', STREAM_CAP, '*', unpack(fields))
end

-- Every index but that of the state, which moves with it.
local function indexes(r)
  local names = { 'all', 'name:' .. r.name }
  if r.submitted_by then names[#names + 1] = 'by:' .. r.submitted_by end
  if r.batch_id then names[#names + 1] = 'batch:' .. r.batch_id end
  -- Only those that have relatives: a task of its own pays nothing for it.
  if r.root_id and r.root_id ~= r.id then names[#names + 1] = 'root:' .. r.root_id end
  if r.group_id then names[#names + 1] = 'group:' .. r.group_id end
  return names
end

local function index(r)
  for _, name in ipairs(indexes(r)) do redis.call('ZADD', P .. 'idx:' .. name, r.submitted_at, r.id) end
end

-- Take the record out of whatever waits for something to happen to it.
local function displace(r)
  redis.call('ZREM', P .. 'due', r.id)
  redis.call('ZREM', P .. 'waiting:' .. r.queue, r.id)
  redis.call('ZREM', P .. 'leases', r.id)
end

local function publish_at(r, at)
  displace(r)
  if at - NOW < DISPATCHER_NAP then
    -- Whoever is due before it has woken them already.
    local head = redis.call('ZRANGE', P .. 'due', 0, 0, 'WITHSCORES')
    if not head[2] or tonumber(head[2]) > at then redis.call('PUBLISH', P .. 'wake', '1') end
  end
  redis.call('ZADD', P .. 'due', at, r.id)
end

-- Another one may be submitted.
local function release_unique(r)
  local key = r.unique_key and P .. 'uniq:' .. r.unique_key
  if key and redis.call('GET', key) == r.id then redis.call('DEL', key) end
end

-- The only place where a state changes. Returns false, changing nothing, if the move is not legal.
local function enter(r, state, event, fields)
  if r.state ~= state then
    if r.state then
      if not LEGAL[r.state][state] then return false end
      redis.call('ZREM', P .. 'idx:state:' .. r.state, r.id)
    end
    r.state = state
    redis.call('ZADD', P .. 'idx:state:' .. state, r.submitted_at, r.id)
  end
  note(r, event, fields)
  if is_final(r) then
    displace(r)
    r.finished_at = NOW
    r.claim = nil
    r.placeholder = nil
    redis.call('DEL', P .. 'msg:' .. r.id, P .. 'members:' .. r.id)
    if r.expires_at then redis.call('ZREM', P .. 'expiring', r.id) end
    if not r.unique_for then release_unique(r) end
    redis.call('ZADD', P .. 'finished', NOW, r.id)
    -- Clients that wait by AsyncResult.get() listen on the channel of Celery's Redis backend.
    redis.call('PUBLISH', P .. 'celery-task-meta-' .. r.id, r.id)
  end
  announce(r, event)
  return true
end

local function set_exception(r, module, type, message)
  r.error = cjson.encode({
    type = module .. '.' .. type, message = message, traceback = cjson.null, fingerprint = module .. '.' .. type,
  })
  r.exception = cjson.encode({ exc_type = type, exc_message = { message }, exc_module = module })
end

-- Members of a canvas that waited for this one will never be sent.
local function revoke_waiting(r, ids)
  for _, id in ipairs(ids or {}) do
    local follower = load_record(id)
    if follower and follower.placeholder and not is_final(follower) then
      set_exception(follower, 'celery.exceptions', 'TaskRevokedError', 'task ' .. r.id .. ', which it waited for, ended as ' .. r.state)
      enter(follower, 'REVOKED', 'revoked', { detail = 'task ' .. r.id .. ' ended as ' .. r.state })
      save_record(follower)
    end
  end
end

local function revoke_followers(r)
  revoke_waiting(r, r.followers)
  revoke_waiting(r, r.bodies)
end

local function revoke(r, event, why)
  set_exception(r, 'celery.exceptions', 'TaskRevokedError', why)
  enter(r, 'REVOKED', event, { detail = why })
  revoke_followers(r)
end

local function fail(r, event, module, type, message)
  set_exception(r, module, type, message)
  enter(r, 'FAILURE', event, { detail = message })
  revoke_followers(r)
end

local function expired(r)
  return r.expires_at and r.expires_at <= NOW
end

-- When the store was away or stood still, every lease has run out at once: living workers get time to renew theirs.
local function may_take_over()
  return NOW >= tonumber(redis.call('GET', P .. 'living') or 0)
end

-- A running record has lost its worker: back to PENDING, or FAILURE after too many losses.
local function lose(r, event, why, max_losses)
  r.losses = (r.losses or 0) + 1
  local fields = { worker = r.worker, attempt = r.attempts, detail = why }
  r.claim = nil
  redis.call('ZREM', P .. 'leases', r.id)
  if r.cancel_requested then
    revoke(r, 'cancelled', 'cancelled; ' .. why)
  elseif r.losses >= max_losses then
    fail(r, event, 'billiard.exceptions', 'WorkerLostError', 'worker lost ' .. r.losses .. ' times')
  else
    enter(r, 'PENDING', event, fields)
  end
end
