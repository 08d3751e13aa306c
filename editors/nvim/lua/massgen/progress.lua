---Progress on the message line, at most ten times a second.

local M = {}

local PERIOD = 100 -- milliseconds

local shown_at = 0
local pending ---@type string?
local timer ---@type uv.uv_timer_t?

local function flush()
  if pending then
    require('massgen.say').pass(pending)
    shown_at, pending = vim.uv.now(), nil
  end
end

---@param params { token: string|integer, value: table }
function M.show(params)
  if not require('massgen.settings').progress or type(params.value) ~= 'table' then
    return
  end
  if require('massgen.panel').is_open() then
    return -- which shows more
  end
  local value = params.value
  local words = { value.title or 'massgen' }
  if type(value.percentage) == 'number' then
    table.insert(words, ('%d%%'):format(value.percentage))
  end
  if type(value.message) == 'string' and value.message ~= '' then
    table.insert(words, value.message)
  end
  pending = table.concat(words, ' · ')
  local left = shown_at + PERIOD - vim.uv.now()
  if value.kind ~= 'report' or left <= 0 then
    flush()
  elseif not timer or not timer:is_active() then
    timer = vim.defer_fn(flush, left)
  end
end

return M
