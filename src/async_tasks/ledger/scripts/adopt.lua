-- A message came without a record: a client that knows only the broker sent it. ARGV: document.
local doc = cmsgpack.unpack(ARGV[1])
if redis.call('EXISTS', P .. 'task:' .. doc.id) == 1 or redis.call('EXISTS', P .. 'gone:' .. doc.id) == 1 then
  return 0
end
doc.submitted_at = NOW
index(doc)
if doc.expires_at then redis.call('ZADD', P .. 'expiring', doc.expires_at, doc.id) end
redis.call('SET', P .. 'msg:' .. doc.id, ARGV[2])
enter(doc, 'PENDING', 'adopted', { detail = 'came from the broker without a record' })
redis.call('ZADD', P .. 'waiting:' .. doc.queue, NOW, doc.id)
save_record(doc)
return 1
