-- A node says what its members did, or that it is alive. All that is decided about names is decided
-- here. What comes of it is appended to the log as one pack: an entry for each item, in their order.
--
-- KEYS  room names leases nodes seats applied log
-- ARGV  1 mark     of the log that the node reads
--       2 epoch    the node's
--       3 number   of the batch, from 1 on without a gap; 0 for a beat, which has no items
--       4 at       the last id that the node has applied
--       5 read     the bytes of the log up to there, or `-` while it starts: nobody waits for it then
--       6 keep     the oldest id that it still wants
--       7 lease    milliseconds of room time for which a node is alive that says nothing
--       8 longest  milliseconds of room time that may pass at once
--       9 most     names of dead nodes that are taken out at once
--       then for each item two: its head, and what was said
--         J serial name secret     M serial name     D serial name
--         T serial name addressee  L serial name reason
--         O 0 -                    X 0 name
--       where `-` stands for no secret and no reason
-- ->    LOST, why     what the node has read is not, or not all, in the log any more
--       FENCED, why   the others have given the node up
--       PASSED        the batch is done already: this is a late or a second copy
--       DONE, bytes by which the slowest node is behind, 1 if more names are to be taken out
--
-- In the log, `p` is the pack before, `b` counts bytes, `n` the entries, and `e` has each as its words,
-- the last of which is a length, LF, as many bytes, LF. The pack's id is that of its last entry; those
-- before it have the same milliseconds, and each a number less by one than the next.
--   J who name hash              K who name hash former-holder      N who name hash kind-of-item
--   M who name hash              D who name hash                    L who name hash reason
--   T who name hash who name hash  O who - -     X who name - who name hash
-- where `who` is `epoch.serial`, the name as typed, and the hash that of the secret, or `-`.
local room, names, leases, nodes, seats, applied, log = unpack(KEYS)
local mark, epoch, number, at, read, keep, lease, longest, most = unpack(ARGV, 1, 9)
local FIRST = 10
number, most = tonumber(number), tonumber(most)

-- May it?

local found, floor, tail, bytes, clock, seen = unpack(redis.call('HMGET', room,
  'mark', 'floor', 'tail', 'bytes', 'clock', 'seen'))
if found ~= mark then
  return {'LOST', 'another log has begun'}
end
-- Before the next question: who slept past a trim must not take the log for lost.
if before(at, floor) then
  return {'FENCED', 'it slept for too long'}
end
if at == tail then
  if redis.call('XLEN', log) == 0 then
    return {'LOST', 'the log is empty'}
  end
elseif #redis.call('XRANGE', log, at, at) == 0 then
  return {'LOST', 'what was read is not in it'}
end
local own = redis.call('HGET', nodes, epoch)
if not own then
  return {'FENCED', 'its lease has run out'}
end
local done = tonumber(string.match(own, '^(%d+)'))
if number > 0 and number <= done then
  return {'PASSED'}
end
if number > done + 1 then
  return {'LOST', 'the batch before is not in it'}
end

-- Room time passes only while somebody is there to see it, and never backwards.
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
clock, seen, bytes = tonumber(clock), tonumber(seen), tonumber(bytes)
clock = clock + math.min(math.max(now - seen, 0), tonumber(longest))
-- The first to be written, and something that needs memory: where there is none, nothing is done.
redis.call('ZADD', leases, clock + lease, epoch)

-- What comes of it.

local pieces, entries = {}, 0
local function put(kind, record, more, said)
  local at = #pieces
  pieces[at + 1], pieces[at + 2], pieces[at + 3] = kind, ' ', record
  if more then
    pieces[at + 4], pieces[at + 5] = ' ', more
    at = at + 2
  end
  pieces[at + 4], pieces[at + 5], pieces[at + 6] = ' ', #said, '\n'
  pieces[at + 7], pieces[at + 8] = said, '\n'
  entries = entries + 1
end

-- Who holds a name: `who name hash`, or false. Asked once a run.
local records = {}
local function record_of(name)
  local record = records[name]
  if record == nil then
    record = redis.call('HGET', names, name)
    records[name] = record
  end
  return record
end
local function hold(name, who, record)
  records[name] = record
  redis.call('HSET', names, name, record)
  redis.call('ZADD', seats, 0, who .. ' ' .. name)
end
local function free(name, who)
  records[name] = false
  redis.call('HDEL', names, name)
  redis.call('ZREM', seats, who .. ' ' .. name)
end
local function is_of(record, who)
  return record and string.sub(record, 1, #who + 1) == who .. ' '
end

local living = {}
local function is_alive(who)
  local of = string.match(who, '^[^.]*')
  if living[of] == nil then
    living[of] = redis.call('HEXISTS', nodes, of) == 1
  end
  return living[of]
end

-- Dead nodes, before the items. From here on they are fenced, even where not all their names go at
-- once; their lease stays until then, to be found by.
local dead = redis.call('ZRANGEBYSCORE', leases, '-inf', clock)
for _, node in ipairs(dead) do
  redis.call('HDEL', nodes, node)
  redis.call('ZREM', applied, node)
end
local more = 0
for _, node in ipairs(dead) do
  local seated = redis.call('ZRANGEBYLEX', seats, '[' .. node .. '.', '(' .. node .. '/',
    'LIMIT', 0, most + 1)
  for at = 1, math.min(#seated, most) do
    local who, name = string.match(seated[at], '^(%S+) (%S+)$')
    local record = record_of(name)
    if is_of(record, who) then
      put('L', record, 'lost', '')
      free(name, who)
    else
      redis.call('ZREM', seats, seated[at])
    end
  end
  if #seated > most then
    more = 1
    break
  end
  most = most - #seated
  redis.call('ZREM', leases, node)
end

local function join(who, typed, secret)
  local name = string.lower(typed)
  local hash = secret == '-' and '-' or string.sub(redis.sha1hex(secret), 1, 32)
  local record = record_of(name)
  if record then
    local holder, as, key = string.match(record, '^(%S+) (%S+) (%S+)$')
    if key == hash and key ~= '-' then
      local taken = who .. ' ' .. as .. ' ' .. key
      redis.call('ZREM', seats, holder .. ' ' .. name)
      hold(name, who, taken)
      return put('K', taken, holder, '')
    end
    if is_alive(holder) then
      return put('N', who .. ' ' .. typed .. ' -', 'J', '')
    end
    put('L', record, 'lost', '')
    free(name, holder)
  end
  record = who .. ' ' .. typed .. ' ' .. hash
  hold(name, who, record)
  put('J', record, nil, '')
end

for at = FIRST, #ARGV, 2 do
  local kind, serial, typed, word = string.match(ARGV[at], '^(%u) (%d+) (%S+) ?(%S*)$')
  local who, said = epoch .. '.' .. serial, ARGV[at + 1]
  if kind == 'J' then
    join(who, typed, word)
  elseif kind == 'O' then
    put('O', who .. ' - -', nil, said)
  elseif kind == 'X' then
    -- The node that it is at sees to it.
    local record = record_of(string.lower(typed))
    put(record and 'X' or 'N', who .. ' ' .. typed .. ' -', record or kind, record and said or '')
  else
    local name = string.lower(typed)
    local record = record_of(name)
    local addressee = kind == 'T' and record_of(string.lower(word))
    if not is_of(record, who) or kind == 'T' and not addressee then
      put('N', who .. ' ' .. typed .. ' -', kind, '')
    elseif kind == 'L' then
      put('L', record, word, '')
      free(name, who)
    else
      put(kind, record, addressee or nil, said)
    end
  end
end

-- What is kept of it.

if entries > 0 then
  local ms, n = parts(tail)
  if now > ms then
    ms, n = now, -1
  end
  local pack = table.concat(pieces)
  bytes = bytes + #pack
  local id = string.format('%d-%d', ms, n + entries)
  redis.call('XADD', log, id, 'p', tail, 'b', string.format('%d', bytes), 'n', entries, 'e', pack)
  tail = id
end
redis.call('HSET', nodes, epoch, string.format('%d', math.max(number, done)) .. ' ' .. keep)
if read ~= '-' then
  redis.call('ZADD', applied, 'GT', read, epoch)
end
if number == 0 then
  -- Trimmed to the oldest that anybody wants.
  local oldest = keep
  for _, node in ipairs(redis.call('HVALS', nodes)) do
    local wanted = string.match(node, '%S+$')
    if before(wanted, oldest) then
      oldest = wanted
    end
  end
  if before(floor, oldest) then
    redis.call('XTRIM', log, 'MINID', oldest)
    floor = oldest
  end
end
redis.call('HSET', room, 'floor', floor, 'tail', tail, 'bytes', string.format('%d', bytes),
  'clock', string.format('%d', clock), 'seen', string.format('%d', now))
local slowest = redis.call('ZRANGE', applied, 0, 0, 'WITHSCORES')
return {'DONE', math.max(bytes - tonumber(slowest[2] or bytes), 0), more}
