-- A worker wants to run a message. ARGV: id, message key, owner, token, worker, lease ms, max losses.
-- Returns {verdict, record}: 'run', or why not: 'unknown', 'gone', 'finished', 'stale', 'held', 'expired'.
local id, message_key, owner, token = ARGV[1], ARGV[2], ARGV[3], ARGV[4]
local worker, lease, max_losses = ARGV[5], tonumber(ARGV[6]), tonumber(ARGV[7])
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
displace(r)
redis.call('ZADD', P .. 'leases', NOW + lease, id)
r.attempts = (r.attempts or 0) + 1
r.claim = { owner = owner, token = token }
change(r, 'worker', worker)
r.started_at = NOW
r.progress = nil
r.placeholder = nil
enter(r, 'STARTED', 'started', { worker = worker, attempt = r.attempts })
return { 'run', save_record(r) }
