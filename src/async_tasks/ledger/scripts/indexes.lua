-- How records are found. Every record has a number, r.n, in the order of recording; SEGMENT of them share their keys:
--
--   numbers           how many have been given;  segments: of which segments there are records
--   ids:<segment>     by number: the time of submission (ENTRY bytes) and the id; of a removed record the time alone
--   idx:<segment>:<field>:<value>
--                     which of them have it, a bitmap; a set of numbers while they are few, of fields that may have as
--                     many values as there are records
--
-- What is asked for is then a matter of a few kilobytes for each condition and segment, however they are combined.
local FEW = 512 -- as many whole numbers as the store keeps in a set without a table
local MANY_VALUES = { submitted_by = true, batch_id = true, failure = true, root_id = true, group_id = true }
-- Every indexed field but the state, which moves with the record.
local INDEXED = { 'name', 'queue', 'worker', 'submitted_by', 'batch_id', 'failure', 'root_id', 'group_id' }
local STATES = {}
for state in pairs(LEGAL) do STATES[#STATES + 1] = state end

local function segment_of(n)
  return math.floor(n / SEGMENT)
end

local function index_key(segment, field, value)
  return P .. 'idx:' .. segment .. ':' .. field .. ':' .. value
end

local function give_number(r)
  r.n = redis.call('INCR', P .. 'numbers') - 1
  local segment = segment_of(r.n)
  if r.n % SEGMENT == 0 then redis.call('ZADD', P .. 'segments', segment, segment) end
  redis.call('RPUSH', P .. 'ids:' .. segment, struct.pack('>I' .. ENTRY, r.submitted_at) .. r.id)
end

local function mark(r, field)
  local key, at = index_key(segment_of(r.n), field, r[field]), r.n % SEGMENT
  if not MANY_VALUES[field] or redis.call('TYPE', key).ok == 'string' then
    redis.call('SETBIT', key, at, 1)
    return
  end
  redis.call('SADD', key, at)
  if redis.call('SCARD', key) > FEW then
    local members = redis.call('SMEMBERS', key)
    redis.call('DEL', key)
    for _, member in ipairs(members) do redis.call('SETBIT', key, member, 1) end
  end
end

local function unmark(r, field)
  local key, at = index_key(segment_of(r.n), field, r[field]), r.n % SEGMENT
  if MANY_VALUES[field] and redis.call('TYPE', key).ok == 'set' then
    redis.call('SREM', key, at)
    return
  end
  redis.call('SETBIT', key, at, 0)
  if redis.call('BITPOS', key, 1) < 0 then redis.call('DEL', key) end
end

-- A task of its own, which most are, pays nothing for having no relatives.
local function is_indexed(r, field)
  return r[field] and not (field == 'root_id' and r.root_id == r.id)
end

local function change(r, field, value)
  if r[field] == value then return end
  if r[field] then unmark(r, field) end
  r[field] = value
  mark(r, field)
end

local function index(r)
  give_number(r)
  for _, field in ipairs(INDEXED) do
    if is_indexed(r, field) then mark(r, field) end
  end
end

local function change_state(r, state)
  local segment, at = segment_of(r.n), r.n % SEGMENT
  if r.state then redis.call('SETBIT', index_key(segment, 'state', r.state), at, 0) end
  r.state = state
  redis.call('SETBIT', index_key(segment, 'state', state), at, 1)
end

-- Take a removed record out of every index.
local function forget(r)
  local segment, at = segment_of(r.n), r.n % SEGMENT
  for _, field in ipairs(INDEXED) do
    if is_indexed(r, field) then unmark(r, field) end
  end
  redis.call('SETBIT', index_key(segment, 'state', r.state), at, 0)
  redis.call('LSET', P .. 'ids:' .. segment, at, struct.pack('>I' .. ENTRY, r.submitted_at))
end

-- Every record has a state: where there is none, there is no record left.
local function drop_if_empty(segment)
  for _, state in ipairs(STATES) do
    if redis.call('BITPOS', index_key(segment, 'state', state), 1) >= 0 then return end
  end
  for _, state in ipairs(STATES) do redis.call('DEL', index_key(segment, 'state', state)) end
  redis.call('DEL', P .. 'ids:' .. segment)
  redis.call('ZREM', P .. 'segments', segment)
  -- What is recorded next begins another, if this was the last.
  local following = (segment + 1) * SEGMENT
  if tonumber(redis.call('GET', P .. 'numbers')) < following then redis.call('SET', P .. 'numbers', following) end
end
