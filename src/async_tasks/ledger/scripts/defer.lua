-- These could not be published: they come due again. ARGV: in ms, why or '' (told in the timeline), ids…
for i = 3, #ARGV do
  local r = load_record(ARGV[i])
  if r and r.state == 'PENDING' and redis.call('ZSCORE', P .. 'due', r.id) then
    if ARGV[2] ~= '' then
      note(r, 'publish deferred', { detail = ARGV[2] })
      announce(r, 'publish deferred')
      save_record(r)
    end
    publish_at(r, NOW + tonumber(ARGV[1]))
  end
end
return 1
