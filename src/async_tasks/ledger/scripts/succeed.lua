-- A worker has started under a name that others' claims carry: names are unique, so those are dead.
-- ARGV: worker name, new owner, max losses. Returns how many records were given back.
local given = 0
for _, id in ipairs(redis.call('ZRANGE', P .. 'leases', 0, -1)) do
  local r = load_record(id)
  if r and r.state == 'STARTED' and r.worker == ARGV[1] and r.claim.owner ~= ARGV[2] then
    lose(r, 'worker lost', 'its worker was started again', tonumber(ARGV[3]))
    if r.state == 'PENDING' then publish_at(r, NOW) end
    save_record(r)
    given = given + 1
  end
end
return given
