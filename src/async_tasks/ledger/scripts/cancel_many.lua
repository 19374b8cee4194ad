-- Cancel what of these is a batch's own and not finished; `cancel` is cancel.lua as a function of its arguments.
-- ARGV: batch, ids… Returns {how many will never start, how many are asked to stop}.
local cancelled, stopping = 0, 0
for i = 2, #ARGV do
  local r = load_record(ARGV[i])
  if r and r.batch_id == ARGV[1] and not is_final(r) then
    local outcome = cancel({ r.id, '1' })[1]
    if outcome == 'cancelled' then cancelled = cancelled + 1 end
    if outcome == 'stopping' then stopping = stopping + 1 end
  end
end
return { cancelled, stopping }
