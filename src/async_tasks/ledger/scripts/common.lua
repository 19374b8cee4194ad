-- Shared by every script of the ledger; the loader puts P, the prefix of all keys, NOW, LEGAL (from record.MOVES), the
-- numbers of connection.py, indexes.lua and counting.lua before it. Keys are computed from the prefix, so a Cluster is
-- not supported. Times are milliseconds by the store's clock, never that of a web or worker host.
--
--   task:<id>         the record, MessagePack
--   msg:<id>          the exact message, while the record is unfinished
--   numbers, segments, ids:<segment>, idx:<segment>:<field>:<value>
--                     how records are found: see indexes.lua
--   idem:<key>        id that was submitted with this idempotency key, as long as its record lives
--   batch:<batch>     what a batch is, and how many of its records are in each state
--   order:<batch>     its ids, by the place of the first of each chunk;  batches: all of them, by when they were begun
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
--   schedules:last    the id that each of them submitted last
--   members:<id>      ids of the parts of the chord whose body this is
--   gone:<id>         tombstone of a trimmed record
--   measured:<minute>, failures, …
--                     what is counted, see counting.lua and measures.lua
--   upload:<holder>   what was uploaded and is not submitted yet, in pieces; expires
--   changes           stream of every change;  wake: channel that wakes dispatchers
--   controls          what operators command: paused:<queue>, schedule:<name>, purge:<queue>; and limit:<task>, which
--                     holds for it: limits:set (by operators) or else limits:declared
--   held:<queue>      ids that may not start yet and whose message was taken from the broker, by when it came there;
--                     of them resting:<queue>, as it is paused, or limited:<task>, as its limit is reached
--   running:<task>    ids that take up a slot of a task with a limit of concurrency
--   released:<task>   ids that were held for its limit and are on their way again, by when they were let go
--   next:<task>       when its rate lets the next one start
--   errands           what else dispatchers are to see to, by when: limit:<task>, resume:<queue>, purge:<queue>
--   workers           names of workers, by when they were heard;  worker:<name>: owner, since, what it says of itself
--   depths            messages in each of the broker's queues, as a dispatcher saw it
--
-- An unfinished record is in exactly one of due, waiting, held and leases, but for placeholders.
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

-- Take the record out of whatever waits for something to happen to it.
local function displace(r)
  redis.call('ZREM', P .. 'due', r.id)
  redis.call('ZREM', P .. 'waiting:' .. r.queue, r.id)
  redis.call('ZREM', P .. 'leases', r.id)
  if r.held then
    for _, set in ipairs({ 'held:' .. r.queue, 'resting:' .. r.queue, 'limited:' .. r.name }) do
      redis.call('ZREM', P .. set, r.id)
    end
    r.held = nil
  end
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

-- Let a dispatcher see to something, at that moment or before.
local function errand(what, at)
  local known = redis.call('ZSCORE', P .. 'errands', what)
  if known and tonumber(known) <= at then return end
  redis.call('ZADD', P .. 'errands', at, what)
  if at - NOW < DISPATCHER_NAP then redis.call('PUBLISH', P .. 'wake', '1') end
end

-- It runs no more: another of its task may start.
local function leave_slot(r)
  redis.call('ZREM', P .. 'running:' .. r.slot, r.id)
  if redis.call('EXISTS', P .. 'limited:' .. r.slot) == 1 then errand('limit:' .. r.slot, NOW) end
  r.slot = nil
end

-- Another one may be submitted.
local function release_unique(r)
  local key = r.unique_key and P .. 'uniq:' .. r.unique_key
  if key and redis.call('GET', key) == r.id then redis.call('DEL', key) end
end

-- What the record's batch knows of it: two to four cheap commands a move, and none for what is in no batch.
local function count_in_batch(r, before)
  local key = P .. 'batch:' .. r.batch_id
  redis.call('HINCRBY', key, before or 'recorded', before and -1 or 1)
  redis.call('HINCRBY', key, r.state, 1)
  if r.state == 'STARTED' then redis.call('HSETNX', key, 'started_at', NOW) end
  if r.state == 'FAILURE' then redis.call('HSETNX', key, 'first_failure', r.id) end
  if is_final(r) then redis.call('HSET', key, 'finished_at', NOW) end
end

-- A record that is removed. The batch goes with its last one.
local function forget_in_batch(r)
  local key = P .. 'batch:' .. r.batch_id
  redis.call('HINCRBY', key, r.state, -1)
  if redis.call('HINCRBY', key, 'removed', 1) >= tonumber(redis.call('HGET', key, 'recorded') or 0) then
    redis.call('DEL', key, P .. 'order:' .. r.batch_id)
    redis.call('ZREM', P .. 'batches', r.batch_id)
  end
end

-- The only place where a state changes. Returns false, changing nothing, if the move is not legal.
local function enter(r, state, event, fields)
  if r.state ~= state then
    local before = r.state
    if before and not LEGAL[before][state] then return false end
    if r.slot and before == 'STARTED' then leave_slot(r) end
    change_state(r, state)
    measure(r, before)
    if r.batch_id then count_in_batch(r, before) end
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
    local error = error_of(r)
    if error then change(r, 'failure', error.fingerprint) end
    -- Clients that wait by AsyncResult.get() listen on the channel of Celery's Redis backend.
    redis.call('PUBLISH', P .. 'celery-task-meta-' .. r.id, r.id)
  end
  announce(r, event)
  return true
end

local function set_exception(r, module, type, message)
  local kind = module .. '.' .. type
  -- It arose in no code, so those of one task are alike (see record.fingerprint).
  local fingerprint = redis.sha1hex(kind .. '@' .. r.name):sub(1, 16)
  r.error = cjson.encode({ type = kind, message = message, traceback = cjson.null, fingerprint = fingerprint })
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

-- What the limit of a task allows now: how many may start, when to look again if more wait, and why there are no more.
-- A rate spaces starts evenly. Where they are less than a second apart, what a start is late (by up to a tenth of a
-- second) the next ones are early, so that the rate is reached.
local function room(name, limit)
  local slots = limit.concurrency and limit.concurrency - redis.call('ZCARD', P .. 'running:' .. name) or math.huge
  if slots <= 0 then return 0, NOW + DISPATCHER_NAP, 'at most ' .. limit.concurrency .. ' at a time' end
  if not limit.every then return slots, NOW + DISPATCHER_NAP end
  local early = limit.every < 1000 and 100 or 0
  local from = tonumber(redis.call('GET', P .. 'next:' .. name) or 0) - early
  if from > NOW then return 0, math.ceil(from), 'at most ' .. limit.rate_limit end
  return math.min(slots, math.floor((NOW - math.max(from, NOW - early)) / limit.every) + 1), NOW + DISPATCHER_NAP
end
