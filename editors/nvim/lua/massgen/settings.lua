---What `setup()` may change.

---@class massgen.Settings
local M = {
  progress = true,
  ---@type 'ask'|'auto'|'none'
  apply = 'ask',
}

return M
