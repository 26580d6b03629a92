-- An id is `<ms>-<n>`, compared as two numbers. Both scripts begin with this.
local function parts(id)
  local ms, n = string.match(id, '^(%d+)-(%d+)$')
  return tonumber(ms), tonumber(n)
end
local function before(a, b)
  local ams, an = parts(a)
  local bms, bn = parts(b)
  return ams < bms or ams == bms and an < bn
end

