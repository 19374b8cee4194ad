-- Records by their numbers. ARGV: numbers… Returns the record of each, '' where there is none.
local answer = {}
for i, text in ipairs(ARGV) do
  local n = tonumber(text)
  local entry = redis.call('LINDEX', P .. 'ids:' .. segment_of(n), n % SEGMENT) or ''
  answer[i] = #entry > ENTRY and redis.call('GET', P .. 'task:' .. entry:sub(ENTRY + 1)) or ''
end
return answer
