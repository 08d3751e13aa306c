---Words for the user: one line each, and never a prompt to press Enter.

local M = {}

local function say(text, level)
  vim.notify('massgen: ' .. text, level)
end

---@param text string
function M.info(text)
  say(text, vim.log.levels.INFO)
end

---@param text string
function M.warn(text)
  say(text, vim.log.levels.WARN)
end

---@param text string
function M.error(text)
  say(text, vim.log.levels.ERROR)
end

---Shows a line that the next one replaces; it is not kept in |:messages|.
---@param text string
function M.pass(text)
  local mode = vim.api.nvim_get_mode().mode
  if mode:match('^[cr!t]') then
    return -- the line is in use
  end
  text = text:gsub('%s+', ' ')
  -- Too long a message makes Neovim ask for Enter.
  local room = math.max(20, vim.v.echospace - 1)
  if vim.fn.strdisplaywidth(text) > room then
    text = vim.fn.strcharpart(text, 0, room - 1) .. '…'
  end
  vim.api.nvim_echo({ { text } }, false, {})
end

return M
