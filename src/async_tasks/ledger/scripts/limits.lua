-- What limits tasks. ARGV: 'declared' (in the catalog) or 'set' (by an operator), then task, JSON or '' for none, task, …
-- What an operator sets takes the place of what is declared, also where it is no limit at all.
local function effective(name)
  for _, source in ipairs({ 'set', 'declared' }) do
    local text = redis.call('HGET', P .. 'limits:' .. source, name)
    if text then
      local limit = cjson.decode(text)
      return (limit.every or limit.concurrency) and cmsgpack.pack(limit)
    end
  end
end

-- What runs already takes up a slot.
local function seat(name)
  for _, id in ipairs(redis.call('ZRANGE', P .. 'leases', 0, -1)) do
    local r = load_record(id)
    if r and r.state == 'STARTED' and r.name == name and not r.slot then
      r.slot = name
      redis.call('ZADD', P .. 'running:' .. name, NOW, id)
      save_record(r)
    end
  end
end

for i = 2, #ARGV, 2 do
  local name = ARGV[i]
  if ARGV[i + 1] == '' then
    redis.call('HDEL', P .. 'limits:' .. ARGV[1], name)
  else
    redis.call('HSET', P .. 'limits:' .. ARGV[1], name, ARGV[i + 1])
  end
  local limit, known = effective(name), redis.call('HGET', P .. 'controls', 'limit:' .. name)
  if limit ~= known and (limit or known) then
    if limit then
      redis.call('HSET', P .. 'controls', 'limit:' .. name, limit)
      if cmsgpack.unpack(limit).concurrency then seat(name) end
    else
      redis.call('HDEL', P .. 'controls', 'limit:' .. name)
    end
    if redis.call('EXISTS', P .. 'limited:' .. name) == 1 then errand('limit:' .. name, NOW) end
  end
end
return 0
