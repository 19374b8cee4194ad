-- Add to a record without moving it. ARGV: id, event, detail, fields (document: error, exception) or ''.
local r = load_record(ARGV[1])
if not r or is_final(r) then return 0 end
if ARGV[4] ~= '' then
  for field, value in pairs(cmsgpack.unpack(ARGV[4])) do r[field] = value end
end
if ARGV[2] ~= '' then
  note(r, ARGV[2], ARGV[3] ~= '' and { detail = ARGV[3] } or nil)
  announce(r, ARGV[2])
end
save_record(r)
return 1
