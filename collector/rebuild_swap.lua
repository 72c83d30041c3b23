-- One partition, all at once: the state that the next generation has folded becomes the live one. The
-- stream, what was seen and the lease stay: both generations have folded the same of it. Keys and
-- arguments: rebuild_swap.c.
local lease, commit, meta, seen = KEYS[1], KEYS[2], KEYS[3], KEYS[4]
local next_commit, next_meta, next_seen = KEYS[5], KEYS[6], KEYS[7]
local FIRST = 10 -- of the keys that are renamed, in pairs
local token, run, id, fresh, merged, birth = ARGV[1], ARGV[2], ARGV[3], ARGV[4], ARGV[5], ARGV[6]
local renames, healed = tonumber(ARGV[7]), tonumber(ARGV[8])

local function hash(key)
  local all, out = redis.call('HGETALL', key), {}
  for i = 1, #all, 2 do out[all[i]] = all[i + 1] end
  return out
end

-- First look at everything, then write.
if string.sub(redis.call('GET', lease) or '', 1, 32) ~= token then return 'LEASE' end
if redis.call('HGET', next_meta, 'birth') ~= run then return 'NEXT' end
local was, now = hash(commit), hash(next_commit)
if (was.id or '') ~= id then return 'COMMIT' end
for i = 9, 8 + 3 * healed, 3 do
  local last = string.match(redis.call('HGET', seen, ARGV[i]) or '0', '^%d+')
  if last ~= ARGV[i + 1] then return 'SEEN' end
end
for i = FIRST, FIRST + 2 * renames - 1, 2 do
  if redis.call('EXISTS', KEYS[i]) == 0 then return 'NEXT' end
end

-- The ledger of a partition of which something is missing keeps what was counted.
local folded = tonumber(now.folded or '0')
if merged == '1' then
  folded = 0
  for field, n in pairs(was) do
    if string.sub(field, 1, 2) == 'v:' and tonumber(n) > tonumber(now[field] or '0') then now[field] = n end
  end
  for field, n in pairs(now) do
    if string.sub(field, 1, 2) == 'v:' then folded = folded + tonumber(n) end
  end
end
now.folded = string.format('%.0f', folded)
now.id = fresh
now.offset = was.offset

redis.call('UNLINK', commit)
for field, value in pairs(now) do redis.call('HSET', commit, field, value) end
if not redis.call('HGET', meta, 'birth') then redis.call('HSET', meta, 'birth', birth) end
redis.call('HINCRBY', meta, 'shipped', string.format('%.0f', folded - tonumber(was.folded or '0')))
redis.call('HINCRBY', meta, 'generation', 1)
for i = 9, 8 + 3 * healed, 3 do redis.call('HSET', seen, ARGV[i], ARGV[i + 2]) end
for i = FIRST, FIRST + 2 * renames - 1, 2 do
  redis.call('UNLINK', KEYS[i + 1])
  redis.call('RENAME', KEYS[i], KEYS[i + 1])
end
for i = FIRST + 2 * renames, #KEYS do redis.call('UNLINK', KEYS[i]) end
redis.call('UNLINK', next_commit, next_meta, next_seen, KEYS[8], KEYS[9])
return 'OK'
