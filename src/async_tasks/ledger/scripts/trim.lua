-- Remove finished records and all their index entries together. ARGV: older than ms, limit, tombstone s,
-- ids… (named ids are removed whatever their age, if they are finished). Returns how many.
local ids = {}
if #ARGV > 3 then
  for i = 4, #ARGV do ids[#ids + 1] = ARGV[i] end
else
  ids = redis.call('ZRANGEBYSCORE', P .. 'finished', '-inf', NOW - tonumber(ARGV[1]), 'LIMIT', 0, tonumber(ARGV[2]))
end
local removed, segments = 0, {}
for _, id in ipairs(ids) do
  local r = load_record(id)
  if r and is_final(r) then
    forget(r)
    segments[segment_of(r.n)] = true
    redis.call('DEL', P .. 'task:' .. id, P .. 'effects:' .. id, P .. 'log:' .. id)
    if r.batch_id then forget_in_batch(r) end
    release_unique(r)
    if r.idempotency_key and redis.call('GET', P .. 'idem:' .. r.idempotency_key) == id then
      redis.call('DEL', P .. 'idem:' .. r.idempotency_key)
    end
    -- A message that is delivered after its record has gone must not run again.
    redis.call('SET', P .. 'gone:' .. id, '', 'EX', ARGV[3])
    removed = removed + 1
  end
  if not r or is_final(r) then redis.call('ZREM', P .. 'finished', id) end
end
for segment in pairs(segments) do drop_if_empty(segment) end
return removed
