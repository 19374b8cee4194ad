-- What dispatchers are to see to besides. ARGV: at most how many. Returns {ms until the next or -1, errand, errand, …}.
local answer = { -1 }
for _, what in ipairs(redis.call('ZRANGEBYSCORE', P .. 'errands', '-inf', NOW, 'LIMIT', 0, tonumber(ARGV[1]))) do
  answer[#answer + 1] = what
end
local head = redis.call('ZRANGE', P .. 'errands', 0, 0, 'WITHSCORES')
if head[2] then answer[1] = math.max(0, math.ceil(tonumber(head[2]) - NOW)) end
return answer
