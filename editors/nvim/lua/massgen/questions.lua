---The server's questions, asked with |vim.ui.select| and never in the middle of typing: the keys of
---somebody who writes would answer them.

local M = {}

---Calls back as soon as the user is in Normal mode and nothing is pending.
---@param callback fun()
local function when_free(callback)
  local mode = vim.api.nvim_get_mode()
  if mode.mode == 'n' and not mode.blocking and vim.fn.getcmdwintype() == '' then
    callback()
    return
  end
  local waiting = true
  vim.api.nvim_create_autocmd({ 'ModeChanged', 'CmdwinLeave' }, {
    once = true,
    desc = 'massgen-ls: a question waits',
    callback = vim.schedule_wrap(function()
      if waiting then -- `once` is once for each of the events
        waiting = false
        when_free(callback)
      end
    end),
  })
end

---Handles window/showMessage. A message that needs more than the line would stop somebody who types
---with a prompt to press Enter, so it waits too.
---@param params lsp.ShowMessageParams
function M.tell(params)
  local levels = { vim.log.levels.ERROR, vim.log.levels.WARN }
  if vim.api.nvim_get_mode().mode ~= 'n' then
    require('massgen.say').pass(params.message)
  end
  when_free(function()
    vim.notify(params.message, levels[params.type] or vim.log.levels.INFO)
  end)
end

---Handles window/showMessageRequest. Runs in the coroutine of the request.
---@param params lsp.ShowMessageRequestParams
---@return lsp.MessageActionItem|vim.NIL
function M.ask(params)
  local actions = params.actions or {}
  local asking, is_main = coroutine.running()
  assert(asking and not is_main, 'a request is handled in a coroutine')
  local answered = false
  local function answer(choice)
    if not answered then
      answered = true
      vim.schedule(function()
        coroutine.resume(asking, choice or vim.NIL)
      end)
    end
  end
  if vim.api.nvim_get_mode().mode:match('^[iR]') then
    require('massgen.say').pass(params.message .. ' (asks when you leave Insert mode)')
  end
  vim.schedule(function()
    when_free(function()
      vim.ui.select(actions, {
        kind = 'massgen',
        prompt = params.message,
        format_item = function(action)
          return (action.title:gsub('%s+', ' '))
        end,
      }, answer)
    end)
  end)
  return coroutine.yield()
end

return M
