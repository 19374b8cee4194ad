-- A worker wants to run a message. ARGV: id, message key, owner, token, worker, lease ms, max losses.
-- Returns {verdict, record}: 'run', or why not: 'unknown', 'gone', 'finished', 'stale', 'held', 'expired',
-- 'paused' or 'limited'. Of these two the record is held, and a dispatcher lets it go when it may start.
local id, message_key, owner, token = ARGV[1], ARGV[2], ARGV[3], ARGV[4]
local worker, lease, max_losses = ARGV[5], tonumber(ARGV[6]), tonumber(ARGV[7])

local function hold(r, set, event, why, since)
  displace(r)
  r.held, r.held_since = true, r.held_since or since
  redis.call('ZADD', P .. 'held:' .. r.queue, r.held_since, id)
  redis.call('ZADD', P .. set, r.held_since, id)
  if r.held_why ~= why then
    r.held_why = why
    enter(r, 'PENDING', event, { detail = why })
  end
  save_record(r)
end

-- Takes what the task's limit has room for; holds the record and returns false if that is nothing.
local function admit(r, limit, since)
  local free, later, why = room(r.name, limit)
  if free < 1 then
    hold(r, 'limited:' .. r.name, 'limited', why, since)
    errand('limit:' .. r.name, later)
    return false
  end
  if limit.concurrency then
    r.slot = r.name
    redis.call('ZADD', P .. 'running:' .. r.name, NOW, id)
  end
  if limit.every then
    local following = math.max(tonumber(redis.call('GET', P .. 'next:' .. r.name) or 0), NOW) + limit.every
    redis.call('SET', P .. 'next:' .. r.name, string.format('%.3f', following), 'PX', math.ceil(following - NOW) + 1000)
    if redis.call('EXISTS', P .. 'limited:' .. r.name) == 1 then
      local left, again = room(r.name, limit)
      errand('limit:' .. r.name, left > 0 and NOW or again)
    end
  end
  return true
end

local r = load_record(id)
if not r then
  return { redis.call('EXISTS', P .. 'gone:' .. id) == 1 and 'gone' or 'unknown', '' }
end
if is_final(r) then return { 'finished', '' } end
if (r.message_key or '') ~= message_key then return { 'stale', '' } end
if r.state == 'STARTED' then
  if r.claim.token == token then return { 'run', cmsgpack.pack(r) } end
  local held_until = tonumber(redis.call('ZSCORE', P .. 'leases', id) or 0)
  if held_until > NOW or not may_take_over() then return { 'held', '' } end
  lose(r, 'lease run out', 'no sign of life from its worker', max_losses)
  if is_final(r) then
    save_record(r)
    return { 'finished', '' }
  end
end
if expired(r) then
  revoke(r, 'expired', 'expired')
  save_record(r)
  return { 'expired', '' }
end
-- A queue is served in its order: what was put there long before this one is in it no more.
local put = (r.priority or 0) == 0 and redis.call('ZSCORE', P .. 'waiting:' .. r.queue, id)
if put then redis.call('SET', P .. 'passed:' .. r.queue, put) end
if r.released then
  redis.call('ZREM', P .. 'released:' .. r.name, id)
  r.released = nil
end
local paused, limit = unpack(redis.call('HMGET', P .. 'controls', 'paused:' .. r.queue, 'limit:' .. r.name))
if paused then
  hold(r, 'resting:' .. r.queue, 'held', 'its queue is paused', tonumber(put or NOW))
  return { 'paused', '' }
end
if limit and not admit(r, cmsgpack.unpack(limit), tonumber(put or NOW)) then return { 'limited', '' } end
displace(r)
r.held_since, r.held_why = nil, nil
redis.call('ZADD', P .. 'leases', NOW + lease, id)
r.attempts = (r.attempts or 0) + 1
r.claim = { owner = owner, token = token }
change(r, 'worker', worker)
r.started_at = NOW
r.progress = nil
r.placeholder = nil
enter(r, 'STARTED', 'started', { worker = worker, attempt = r.attempts })
return { 'run', save_record(r) }
