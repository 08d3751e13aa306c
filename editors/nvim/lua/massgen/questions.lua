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

local SHOW = 'Show diff'
local looking = {} ---@type table<string, true>  Questions whose diff is being looked at

---Keys for the diff that the server has just shown: it has the focus, and the question is over.
local function keys_of_diff()
  local buf, win = vim.api.nvim_get_current_buf(), vim.api.nvim_get_current_win()
  local run, candidate = vim.api.nvim_buf_get_name(buf):match('^massgen:/+([^/]+)/([^/]+)%.diff$')
  local say = require('massgen.say')
  if not run then
    say.info('`:Massgen apply` applies it, `:Massgen diff` compares')
    return
  end
  local function map(lhs, act, desc)
    vim.keymap.set('n', lhs, act, { buffer = buf, nowait = true, desc = 'massgen: ' .. desc })
  end
  map('a', function()
    require('massgen.actions').apply(run, candidate)
  end, 'apply the candidate')
  map('d', function()
    require('massgen.diff').show(run, candidate)
  end, 'compare side by side')
  map('q', function()
    local before = vim.fn.bufnr('#')
    if before > 0 and vim.fn.buflisted(before) == 1 then
      vim.api.nvim_set_current_buf(before)
    else
      pcall(vim.cmd.close)
    end
    say.info('`:Massgen apply` applies it, `:Massgen diff` compares')
  end, 'close the diff')
  vim.wo[win][0].winbar = ' a apply  d side by side  q close %=:Massgen apply '
end

---Handles window/showMessageRequest. Runs in the coroutine of the request.
---@param params lsp.ShowMessageRequestParams
---@return lsp.MessageActionItem|vim.NIL
function M.ask(params)
  local actions = params.actions or {}
  local asking, is_main = coroutine.running()
  assert(asking and not is_main, 'a request is handled in a coroutine')
  if looking[params.message] then
    -- Asked again at once, it would stand over the diff: nobody could read that.
    looking[params.message] = nil
    vim.schedule(keys_of_diff)
    return vim.NIL
  end
  local answered = false
  local function answer(choice)
    if not answered then
      answered = true
      looking[params.message] = choice and choice.title == SHOW or nil
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
