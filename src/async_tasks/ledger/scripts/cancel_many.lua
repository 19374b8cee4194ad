-- Cancel what of these is not finished; `cancel` is cancel.lua as a function of its arguments. ARGV: ids…
-- Returns {how many will never start, how many are asked to stop}.
local cancelled, stopping = 0, 0
for _, id in ipairs(ARGV) do
  local outcome = cancel({ id, '1' })[1]
  if outcome == 'cancelled' then cancelled = cancelled + 1 end
  if outcome == 'stopping' then stopping = stopping + 1 end
end
return { cancelled, stopping }
