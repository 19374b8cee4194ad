-- Lines that a run of a task has logged. ARGV: id, attempt, most lines, most bytes, lines (packed: {number, age ms,
-- level, logger, text}, …). The number counts the lines of the run: what comes again after a lost answer is known by
-- it, and what its worker had no room for leaves a gap. Kept: {place among all lines, at, attempt, number, level,
-- logger, text}. Returns 0 where there is no record, which they would outlive.
local r = load_record(ARGV[1])
if not r then return 0 end
local key, attempt = P .. 'log:' .. r.id, tonumber(ARGV[2])
local raw = redis.call('LINDEX', key, -1)
local last = raw and cmsgpack.unpack(raw) or { 0, 0, attempt, 0 }
local place = last[1]
local known = last[3] == attempt and last[4] or 0
for _, line in ipairs(cmsgpack.unpack(ARGV[5])) do
  local number = line[1]
  if number > known then
    place, known = place + number - known, number
    redis.call('RPUSH', key, cmsgpack.pack({ place, NOW - line[2], attempt, number, line[3], line[4], line[5] }))
  end
end
if place == last[1] then return 1 end
redis.call('LTRIM', key, -tonumber(ARGV[3]), -1)
local kept, size = redis.call('LRANGE', key, 0, -1), 0
for at = #kept, 1, -1 do
  size = size + #kept[at]
  if size > tonumber(ARGV[4]) then
    redis.call('LTRIM', key, at, -1)
    break
  end
end
announce(r, 'logged')
return 1
