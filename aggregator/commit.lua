-- Everything a batch changes, or nothing. The arguments are described in commit.c.
local held = redis.call('GET', KEYS[1])
if not held or string.sub(held, 1, 32) ~= ARGV[1] then return 'LEASE' end
local last = redis.call('HMGET', KEYS[2], 'offset', 'id')
local offset, id = last[1] or '', last[2] or ''
if id == ARGV[5] then return 'OK' end -- this very commit, repeated: its answer was lost
if offset ~= ARGV[2] then return 'OFFSET' end
if id ~= ARGV[3] then return 'COMMIT' end
-- A Redis that died and forgot what this batch was read from gets those hits again, as other entries.
if #redis.call('XRANGE', KEYS[3], ARGV[4], ARGV[4]) == 0 then return 'OFFSET' end

local function refuse(why) return redis.error_reply('ERR commit.lua: ' .. why) end
local function is(key, kind)
  local found = redis.call('TYPE', key).ok
  return found == kind or found == 'none'
end

-- First look at everything, then write: a script that stops half-way would leave its half behind.
local verdicts, hashes = tonumber(ARGV[9]), tonumber(ARGV[10])
if not tonumber(ARGV[7]) or not tonumber(ARGV[8]) or not verdicts or not hashes then
  return refuse('a number is none')
end
if #KEYS < 4 + hashes then return refuse('keys are missing') end
if not is(KEYS[3], 'stream') or not is(KEYS[4], 'hash') then return refuse('wrong type') end
local at = 11 + 2 * verdicts
for i = 1, hashes do
  local sets, dels = tonumber(ARGV[at] or ''), tonumber(ARGV[at + 1] or '')
  if not sets or not dels then return refuse('a count is none') end
  if not is(KEYS[4 + i], 'hash') then return refuse('wrong type') end
  at = at + 2 + 2 * sets + dels
end
if at ~= #ARGV + 1 then return refuse('the counts do not fit') end

-- unpack has room for some thousand values
local function each(command, key, from, to)
  for i = from, to, 1000 do
    redis.call(command, key, unpack(ARGV, i, math.min(i + 999, to)))
  end
end

for i = 5 + hashes, #KEYS do redis.call('UNLINK', KEYS[i]) end
at = 11 + 2 * verdicts
for i = 1, hashes do
  local sets, dels = tonumber(ARGV[at]), tonumber(ARGV[at + 1])
  each('HSET', KEYS[4 + i], at + 2, at + 1 + 2 * sets)
  each('HDEL', KEYS[4 + i], at + 2 + 2 * sets, at + 1 + 2 * sets + dels)
  at = at + 2 + 2 * sets + dels
end

redis.call('HSET', KEYS[2], 'offset', ARGV[4], 'id', ARGV[5], 'folded', ARGV[7])
each('HSET', KEYS[2], 11, 10 + 2 * verdicts)
redis.call('XTRIM', KEYS[3], 'MINID', ARGV[6])
local bytes = (tonumber(redis.call('HGET', KEYS[4], 'bytes') or '0') or 0) - ARGV[8]
redis.call('HSET', KEYS[4], 'bytes', string.format('%.0f', math.max(bytes, 0)))
return 'OK'
