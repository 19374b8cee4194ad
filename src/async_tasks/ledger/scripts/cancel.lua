-- ARGV: id. Returns {outcome, record}: 'unknown', 'finished', 'cancelled' or 'stopping'.
local r = load_record(ARGV[1])
if not r then return { 'unknown', '' } end
if is_final(r) then return { 'finished', cmsgpack.pack(r) } end
if r.state ~= 'STARTED' then
  revoke(r, 'cancelled', 'cancelled')
  return { 'cancelled', save_record(r) }
end
if not r.cancel_requested then
  r.cancel_requested = true
  note(r, 'cancel requested')
  announce(r, 'cancel requested')
  save_record(r)
end
return { 'stopping', cmsgpack.pack(r) }
