-- Takes a batch of one partition: all of it or nothing. Stream and seen change together, so a batch
-- that comes again, or overlaps one that came before, adds nothing twice; a batch that would leave
-- a hole is refused. Keys, arguments and answers: common/README.md.
local stream, seen_key, meta = KEYS[1], KEYS[2], KEYS[3]
local known, fresh, limit, today = ARGV[1], ARGV[2], tonumber(ARGV[3]), ARGV[4]
local FIRST, VALUES = 5, 6 -- of the parts

local has = redis.call('HMGET', meta, 'birth', 'bytes', 'shipped')
local birth = has[1] or ''
if known ~= '' and known ~= birth then return {'BIRTH', birth} end

local producers = {}
for i = FIRST, #ARGV, VALUES do producers[#producers + 1] = ARGV[i] end
if #producers == 0 then -- only asked whether this is the partition it knew, and whether it was rebuilt
  return {'OK', birth, redis.call('HGET', meta, 'generation') or '0'}
end
for i = 2, 3 do assert(string.match(has[i] or '0', '^%-?%d+$'), 'meta is damaged') end
if limit > 0 and tonumber(has[2] or 0) >= limit then return {'FULL', birth} end

local seen = redis.call('HMGET', seen_key, unpack(producers))
for part = 1, #producers do
  seen[part] = tonumber(string.match(seen[part] or '0', '^%d+'))
  if tonumber(ARGV[FIRST + (part - 1) * VALUES + 1]) > seen[part] then
    return {'GAP', birth, part, string.format('%.0f', seen[part])}
  end
end

-- The records after seq, and their weight. Sequence numbers rise within a part.
local function after(records, seq)
  local at, from, weight = 1, nil, 0
  while at <= #records do
    local n, w, bytes = struct.unpack('<I8I4I4', records, at)
    if n > seq then
      from = from or at
      weight = weight + w
    end
    at = at + 16 + bytes
  end
  assert(from and at == #records + 1, 'records are damaged')
  return string.sub(records, from), weight
end

-- What can fail does so before the first write: Redis does not undo a script that ends in its middle.
local entries, taken, shipped, bytes = {}, {}, 0, 0
for part = 1, #producers do
  local at = FIRST + (part - 1) * VALUES
  local prev, last = tonumber(ARGV[at + 1]), tonumber(ARGV[at + 2])
  local weight, records = tonumber(ARGV[at + 3]), ARGV[at + 5]
  if seen[part] < last then
    if seen[part] > prev then records, weight = after(records, seen[part]) end
    entries[#entries + 1] = {'p', producers[part], 'w', string.format('%.0f', weight), 'b', records}
    taken[#taken + 1] = producers[part]
    taken[#taken + 1] = ARGV[at + 2] .. ' ' .. (ARGV[at + 4] == '1' and '0' or today)
    shipped = shipped + weight
    bytes = bytes + #records
  end
end

if #entries == 0 then return {'OK', birth} end
for i = 1, #entries do redis.call('XADD', stream, '*', unpack(entries[i])) end
if birth == '' then
  birth = fresh
  redis.call('HSET', meta, 'birth', birth)
end
redis.call('HSET', seen_key, unpack(taken))
redis.call('HINCRBY', meta, 'shipped', string.format('%.0f', shipped))
redis.call('HINCRBY', meta, 'bytes', bytes)
return {'OK', birth}
