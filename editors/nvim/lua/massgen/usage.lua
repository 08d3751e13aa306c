---What agents have spent.

local M = {}

---@class massgen.Usage  Tokens, and millionths of a US dollar
---@field tokens integer
---@field cost? integer

---@param usage? table  As an event has it (`cost` in millionths) or `massgen/read` (in dollars, as text)
---@return massgen.Usage
function M.read(usage)
  usage = type(usage) == 'table' and usage or {}
  local cost = usage.cost
  if type(cost) == 'string' then
    cost = math.floor((tonumber(cost) or 0) * 1e6 + 0.5)
  end
  local tokens = usage.tokens
    or (usage.input or 0) + (usage.cached or 0) + (usage.stored or 0) + (usage.output or 0)
  return { tokens = tokens, cost = type(cost) == 'number' and cost or nil }
end

---@param all table<any, massgen.Usage>
---@return massgen.Usage
function M.sum(all)
  local total = { tokens = 0 } ---@type massgen.Usage
  for _, each in pairs(all) do
    total.tokens = total.tokens + each.tokens
    if each.cost then
      total.cost = (total.cost or 0) + each.cost
    end
  end
  return total
end

return M
