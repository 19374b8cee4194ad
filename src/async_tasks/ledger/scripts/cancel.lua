-- ARGV: id, whether what runs is to be stopped too (0 or 1), why, if there is more to say than that.
-- Returns {outcome, record}: 'unknown', 'finished', 'cancelled', 'stopping' or 'running'.

-- The parts of a chord, whose body is cancelled: what waits never starts, what runs is asked to stop.
local function stop_members(id)
  for _, member in ipairs(redis.call('SMEMBERS', P .. 'members:' .. id)) do
    local m = load_record(member)
    if m and not is_final(m) then
      if m.state == 'STARTED' then
        m.cancel_requested = true
        note(m, 'cancel requested', { detail = 'its group was cancelled' })
        announce(m, 'cancel requested')
      else
        revoke(m, 'cancelled', 'its group was cancelled')
      end
      save_record(m)
    end
  end
end

local r = load_record(ARGV[1])
if not r then return { 'unknown', '' } end
if is_final(r) then return { 'finished', cmsgpack.pack(r) } end
if r.state ~= 'STARTED' then
  stop_members(r.id)
  revoke(r, 'cancelled', ARGV[3] or 'cancelled')
  return { 'cancelled', save_record(r) }
end
if ARGV[2] == '0' then return { 'running', cmsgpack.pack(r) } end
if not r.cancel_requested then
  r.cancel_requested = true
  note(r, 'cancel requested', { detail = ARGV[3] })
  announce(r, 'cancel requested')
  save_record(r)
end
return { 'stopping', cmsgpack.pack(r) }
