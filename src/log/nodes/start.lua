-- A node registers itself. Begins the room's log anew where there is none, or where what this node had
-- read of it is lost. It may be asked again with the same arguments: the second time changes nothing.
--
-- KEYS  room names leases nodes seats applied log
-- ARGV  1 format   of the entries, which all nodes of a room must know
--       2 epoch    the node's, for as long as it is not fenced; never used twice
--       3 fresh    the mark of the log, should it begin anew
--       4 known    the mark of the log that this node has read before, or nothing
--       5 last     the last id that it has read, or 0-0
--       6 lost     1 if it knows that the log with this mark is lost
--       7 lease    milliseconds of room time for which a node is alive that says nothing
--       8 longest  milliseconds of room time that may pass at once
-- ->    FORMAT, the one in use: this node cannot read it
--       STARTED, mark, where the log began, floor, tail, bytes
local room, names, leases, nodes, seats, applied, log = unpack(KEYS)
local format, epoch, fresh, known, last, lost, lease, longest = unpack(ARGV)

local found, mark, began, floor, tail, bytes, clock, seen = unpack(redis.call('HMGET', room,
  'format', 'mark', 'began', 'floor', 'tail', 'bytes', 'clock', 'seen'))
if found and found ~= format then
  return {'FORMAT', found}
end

-- Room time passes only while somebody is there to see it, and never backwards.
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
clock, seen, bytes = tonumber(clock or 0), tonumber(seen or now), tonumber(bytes or 0)
clock = clock + math.min(math.max(now - seen, 0), tonumber(longest))

local anew = not mark or lost == '1' and mark == known
if mark and known ~= '' and not anew then
  if mark ~= known then
    -- Another node has begun the log anew, but not behind all that this one has read: a `since` from
    -- here could be taken for one of the new log.
    anew = not before(last, began)
  elseif not before(last, floor) then
    -- It was fenced, and in the meantime the log has become an older copy. (Of what lies before the floor
    -- nobody can tell.)
    anew = #redis.call('XRANGE', log, last, last) == 0
  end
end
if anew then
  -- Behind all that there is, and all that this node has read.
  local newest = last
  local stream = redis.pcall('XINFO', 'STREAM', log)
  for at = 1, stream.err and 0 or #stream, 2 do
    if stream[at] == 'last-generated-id' and before(newest, stream[at + 1]) then
      newest = stream[at + 1]
    end
  end
  local ms, n = parts(newest)
  if now > ms then
    ms, n = now, 0
  else
    n = n + 1
  end
  mark, tail = fresh, string.format('%d-%d', ms, n)
  began, floor = tail, tail
  local entry = 'B ' .. mark .. ' 0\n\n'
  bytes = bytes + #entry
  -- First what needs memory: where there is none, nothing has been done.
  redis.call('XADD', log, tail, 'p', '0-0', 'b', string.format('%d', bytes), 'n', 1, 'e', entry)
  redis.call('UNLINK', names, leases, nodes, seats, applied)
end

redis.call('HSET', room, 'format', format, 'mark', mark, 'began', began, 'floor', floor,
  'tail', tail, 'bytes', string.format('%d', bytes),
  'clock', string.format('%d', clock), 'seen', string.format('%d', now))
redis.call('HSETNX', nodes, epoch, '0 ' .. floor)
redis.call('ZADD', leases, clock + lease, epoch)
return {'STARTED', mark, began, floor, tail, string.format('%d', bytes)}
