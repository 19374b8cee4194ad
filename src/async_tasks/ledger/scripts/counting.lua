-- What is counted at the moves of records.
--
--   measured:<minute>          how often what happened in it: a field is <what>:<task>
--   measured:<size>:<minute>   the same of 1, 10 or 60 minutes from then on, packed (see measures.lua)
--   measured:rolled            the last minute that is packed;  measured:sampled: a dispatcher has looked at the queues
--   failures                   fingerprints of failures, by when each was seen last
--   failure:<fingerprint>      what is known of those
local MINUTE = 60000

-- Once more in this minute. What is <what>:<task>: n submitted, w<bin> started after having waited so long, r tried
-- again, s<bin>, f<bin> and v<bin> succeeded, failed and revoked after having run so long (no bin: it did not run),
-- e<fingerprint> failed so; and of a queue, d: how many wait at most.
local function tally(what, name)
  local key = P .. 'measured:' .. math.floor(NOW / MINUTE)
  if redis.call('HINCRBY', key, what .. ':' .. name, 1) == 1 then redis.call('EXPIRE', key, MEASURED_FOR) end
end

-- Lengths of time are told apart by a fifth: bin 0 is 0 ms, bin 1 begins with 1 ms, and each next one BIN times later.
local function bin(ms)
  return ms < 1 and 0 or math.floor(math.log(ms) / math.log(BIN)) + 1
end

-- Since when it could have run: it was sent, came due, or was given back.
local function ready_at(r)
  local begins = {
    submitted = true, adopted = true, sent = true, replaced = true,
    ['handed back'] = true, ['worker lost'] = true, ['lease run out'] = true,
  }
  local timeline = r.timeline or {}
  for i = #timeline, 1, -1 do
    local entry = timeline[i]
    -- What comes due waits for a dispatcher first.
    if entry.event == 'due' then return r.due_at or entry.at end
    if begins[entry.event] then return math.max(entry.at, r.due_at or 0) end
  end
  return NOW
end

local function forget_group(fingerprint)
  redis.call('ZREM', P .. 'failures', fingerprint)
  redis.call('DEL', P .. 'failure:' .. fingerprint)
end

-- The error of a record, if it can be read and has a fingerprint.
local function error_of(r)
  local read, error = pcall(cjson.decode, r.error or '')
  if read and type(error) == 'table' and type(error.fingerprint) == 'string' then return error end
end

-- Failures of one type that arose in one place are a group.
local function group(r)
  local error = error_of(r)
  if not error then return end
  local fingerprint, traceback = error.fingerprint, error.traceback
  local where = ''
  if type(traceback) == 'string' then
    -- The last frame tells where; it stands near the end.
    for file, line, name in traceback:sub(-4096):gmatch('File "([^"\n]+)", line (%d+), in ([^\n]+)') do
      where = file .. ':' .. line .. ' in ' .. name
    end
  end
  local key = P .. 'failure:' .. fingerprint
  local new = redis.call('HSETNX', key, 'first', NOW) == 1
  redis.call('HSET', key, 'last', NOW, 'type', error.type, 'message', error.message:sub(1, 1000), 'where', where,
    'name', r.name, 'example', r.id)
  redis.call('ZADD', P .. 'failures', NOW, fingerprint)
  if new then
    for _, old in ipairs(redis.call('ZRANGE', P .. 'failures', 0, -1 - GROUPS)) do forget_group(old) end
  end
  tally('e' .. fingerprint, r.name)
end

local function measure(r, before)
  if not before then tally('n', r.name) end
  if r.state == 'STARTED' then
    -- What Celery ends without a worker of ours has not waited for one.
    if r.claim then tally('w' .. bin(NOW - ready_at(r)), r.name) end
  elseif r.state == 'RETRY' then
    tally('r', r.name)
  elseif next(LEGAL[r.state]) == nil then
    local letters = { SUCCESS = 's', FAILURE = 'f', REVOKED = 'v' }
    local ran = before == 'STARTED' and r.started_at and bin(NOW - r.started_at) or ''
    tally(letters[r.state] .. ran, r.name)
    if r.state == 'FAILURE' and r.error then group(r) end
  end
end
