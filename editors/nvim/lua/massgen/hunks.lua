---The hunks of a candidate as a quickfix list, to be applied one by one.

local client_of = require('massgen.client')
local say = require('massgen.say')
local words = require('massgen.words')

local M = {}

---@class massgen.HunkEntry  The `user_data` of an entry
---@field path string
---@field hunk integer
---@field state 'fits'|'conflicts'|'landed'

---@class massgen.HunkList  In the `context` of the list
---@field run string
---@field candidate string

local TYPES = { fits = 'I', conflicts = 'W', landed = 'N' }

---@param text string
---@return integer
local function count_lines(text)
  local _, ends = text:gsub('\n', '')
  return ends + ((text ~= '' and not vim.endswith(text, '\n')) and 1 or 0)
end

---@param text string
---@return string?  The first line that says something
local function first_line(text)
  return text:match('[^\n]*%S[^\n]*')
end

---@param file table
---@param hunk table
---@return string
local function describe(file, hunk)
  local parts = { ('+%d −%d'):format(count_lines(hunk.new), count_lines(hunk.old)) }
  if file.whole then
    local whole = { add = 'new file', delete = 'deleted', modify = 'replaced' }
    parts = { whole[file.kind] }
  end
  if file.kind == 'rename' then
    table.insert(parts, 'renamed to ' .. file.path)
  end
  if hunk.state == 'conflicts' then
    table.insert(parts, 'conflicts with your change')
  elseif hunk.state == 'landed' then
    table.insert(parts, 'applied')
  end
  local new, old = first_line(hunk.new), first_line(hunk.old)
  local line = file.whole and file.kind ~= 'add' and ''
    or new and '+ ' .. words.flat(new)
    or old and '− ' .. words.flat(old)
    or nil
  return table.concat(parts, ', ') .. (line and line ~= '' and ': ' .. line or '')
end

---@param answer table  Of `massgen/hunks`
---@return vim.quickfix.entry[]
local function items_of(answer)
  local items = {} ---@type vim.quickfix.entry[]
  for _, file in ipairs(answer.files) do
    for _, hunk in ipairs(file.hunks) do
      local first = hunk.live[1] + 1
      table.insert(items, {
        filename = vim.fs.joinpath(answer.root, file.live_path),
        lnum = first,
        end_lnum = math.max(first, hunk.live[2]),
        type = TYPES[hunk.state],
        text = describe(file, hunk),
        user_data = { path = file.path, hunk = hunk.hunk, state = hunk.state },
      })
    end
  end
  return items
end

---@param answer table
---@param idx? integer  Replaces the current list, and goes on from this entry
local function fill(answer, idx)
  local items = items_of(answer)
  local what = {
    title = ('massgen: hunks of %s (run %s)'):format(answer.candidate, answer.run),
    context = { massgen = { run = answer.run, candidate = answer.candidate } },
    items = items,
  }
  if not idx then
    vim.fn.setqflist({}, ' ', what)
    return
  end
  for i = 0, #items - 1 do -- the next that is still to be decided
    local at = (idx - 1 + i) % #items + 1
    if items[at].user_data.state ~= 'landed' then
      what.idx = at
      break
    end
  end
  vim.fn.setqflist({}, 'r', what)
  local window = vim.fn.getqflist({ winid = 0 }).winid
  if window ~= 0 and what.idx then
    vim.api.nvim_win_set_cursor(window, { what.idx, 0 })
  end
end

---Lists the hunks and opens the quickfix window.
---@param run? string
---@param candidate? string
function M.show(run, candidate)
  require('massgen.actions').with_run(run, function(client, id)
    client_of.request(client, 'hunks', { runId = id, candidateId = candidate }, function(answer)
      if #answer.files == 0 then
        say.info(('%s changes nothing'):format(answer.candidate))
        return
      end
      fill(answer)
      vim.cmd('botright copen')
    end)
  end)
end

---@param range? [integer, integer]  Lines of the quickfix window
---@return massgen.HunkList?, vim.quickfix.entry[], integer
local function chosen(range)
  local list = vim.fn.getqflist({ context = 0, items = 0, idx = 0 })
  local ours = type(list.context) == 'table' and list.context.massgen or nil
  if not ours then
    return nil, {}, 0
  end
  local idx = list.idx ---@type integer
  if vim.bo.buftype == 'quickfix' then
    idx = vim.fn.line('.')
  end
  range = vim.bo.buftype == 'quickfix' and range or { idx, idx }
  return ours, vim.list_slice(list.items, range[1], range[2]), range[1]
end

---Applies the hunk of the current quickfix entry; in the quickfix window that under the cursor, or
---those of a range of lines.
---@param range? [integer, integer]
function M.accept(range)
  local list, entries, idx = chosen(range)
  if not list then
    say.info('no hunks are listed: `:Massgen hunks` lists those of the winner')
    return
  end
  local hunks = {} ---@type table<string, integer[]>
  for _, entry in ipairs(entries) do
    local one = entry.user_data ---@type massgen.HunkEntry
    if one.state ~= 'landed' then
      hunks[one.path] = hunks[one.path] or {}
      table.insert(hunks[one.path], one.hunk)
    end
  end
  if not next(hunks) then
    say.info('your files have that already')
    return
  end
  local actions = require('massgen.actions')
  actions.with_run(list.run, function(client, id)
    local params = { runId = id, candidateId = list.candidate, hunks = hunks }
    actions.send_apply(client, params, function()
      local ref = { runId = id, candidateId = list.candidate }
      client_of.request(client, 'hunks', ref, function(answer)
        local now = vim.fn.getqflist({ context = 0 }).context
        local same = type(now) == 'table' and now.massgen and now.massgen.run == list.run
        if same and now.massgen.candidate == list.candidate then
          fill(answer, idx)
        end
      end)
    end)
  end)
end

return M
