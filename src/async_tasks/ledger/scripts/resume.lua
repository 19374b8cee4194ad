-- A dispatcher lets go what was held as its queue was paused, oldest first. ARGV: queue, at most how many.
local what, waiting = 'resume:' .. ARGV[1], P .. 'resting:' .. ARGV[1]
redis.call('ZREM', P .. 'errands', what)
if redis.call('HEXISTS', P .. 'controls', 'paused:' .. ARGV[1]) == 1 then return 0 end
for _, id in ipairs(redis.call('ZRANGE', waiting, 0, tonumber(ARGV[2]) - 1)) do
  local r = load_record(id)
  if r and r.held and not is_final(r) then
    publish_at(r, NOW)
    save_record(r)
  else
    redis.call('ZREM', waiting, id)
  end
end
if redis.call('EXISTS', waiting) == 1 then errand(what, NOW) end
return 0
