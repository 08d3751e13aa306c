---Side by side in Neovim's own diff mode: what a candidate changes against what your buffers show,
---or one candidate against another. One tab page for each comparison, with a list of the files.

local client_of = require('massgen.client')
local documents = require('massgen.documents')
local runs = require('massgen.runs')
local say = require('massgen.say')
local words = require('massgen.words')

local M = {}

local LONGEST_LIST = 8 -- lines

---@class massgen.DiffFile
---@field path string
---@field old_path? string
---@field kind string
---@field added integer
---@field removed integer

---@class massgen.Diff
---@field client_id integer
---@field run string
---@field left? string  A candidate; nil: the user's buffers
---@field right string
---@field root string
---@field files massgen.DiffFile[]
---@field at integer
---@field windows { left: integer, right: integer, list?: integer }
---@field asked integer  Counts the files that were asked for: an answer that comes late is dropped

local tabs = {} ---@type table<integer, massgen.Diff>  By tab page

---Keys of buffers of ours; the user's own are theirs.
---@param diff massgen.Diff
---@param buf integer
local function keys_of(diff, buf)
  local function map(lhs, act, desc)
    vim.keymap.set('n', lhs, act, { buffer = buf, nowait = true, desc = 'massgen: ' .. desc })
  end
  map(']f', function()
    M.step(1)
  end, 'the next file')
  map('[f', function()
    M.step(-1)
  end, 'the previous file')
  map('q', function()
    M.close()
  end, 'close the comparison')
  map('a', function()
    require('massgen.actions').apply(diff.run, diff.right)
  end, 'apply the candidate')
end

---A buffer for a file that one of the two sides does not have.
---@param diff massgen.Diff
---@return integer
local function empty(diff)
  local buf = vim.api.nvim_create_buf(false, true)
  vim.bo[buf].bufhidden = 'wipe'
  vim.b[buf].massgen_empty = true
  vim.bo[buf].modifiable = false
  keys_of(diff, buf)
  return buf
end

---@param diff massgen.Diff
---@param file massgen.DiffFile
---@return integer  The buffer of the user's file, or an empty one
local function live_buffer(diff, file)
  local named = { file.old_path, file.path } ---@type string[]
  for _, name in pairs(named) do
    local path = vim.fs.joinpath(diff.root, name)
    if vim.uv.fs_stat(path) then
      local buf = vim.fn.bufadd(path)
      vim.bo[buf].buflisted = true
      return buf
    end
    for _, buf in ipairs(vim.api.nvim_list_bufs()) do
      if vim.api.nvim_buf_is_loaded(buf) and vim.api.nvim_buf_get_name(buf) == path then
        return buf
      end
    end
  end
  return empty(diff)
end

---@param win integer
---@param buf integer
---@param bar string
---@param keys string  Cut first when there is no room
local function put(win, buf, bar, keys)
  vim.api.nvim_win_call(win, function()
    vim.cmd('silent diffoff')
    vim.api.nvim_win_set_buf(win, buf)
    if not vim.api.nvim_buf_is_loaded(buf) then
      vim.fn.bufload(buf)
    end
    vim.cmd('diffthis')
  end)
  vim.wo[win].winbar = (' %s%%<%%=%s '):format(bar:gsub('%%', '%%%%'), keys)
end

---@param diff massgen.Diff
local function mark_list(diff)
  local win = diff.windows.list
  if win and vim.api.nvim_win_is_valid(win) then
    vim.api.nvim_win_set_cursor(win, { diff.at, 0 })
  end
end

---Calls back with a buffer that shows a file as a candidate has it.
---@param diff massgen.Diff
---@param candidate string
---@param file massgen.DiffFile
---@param callback fun(buf: integer)
local function candidate_buffer(diff, candidate, file, callback)
  local client = vim.lsp.get_client_by_id(diff.client_id)
  if not client or client:is_stopped() then
    say.error('the server has gone away; close this comparison and open it again')
    return
  end
  if file.kind == 'delete' then
    callback(empty(diff))
    return
  end
  documents.load(client, diff.run, candidate, file.path, function(buf, found)
    if not found then
      callback(empty(diff))
      return
    end
    keys_of(diff, buf)
    callback(buf)
  end)
end

---@param tab integer
local function show_file(tab)
  local diff = tabs[tab]
  local file = diff.files[diff.at]
  diff.asked = diff.asked + 1
  local asked = diff.asked
  local count = ('%d of %d'):format(diff.at, #diff.files)
  local function show(left, right)
    if diff.asked ~= asked or not vim.api.nvim_tabpage_is_valid(tab) then
      return
    end
    for _, win in pairs({ diff.windows.left, diff.windows.right }) do
      if not vim.api.nvim_win_is_valid(win) then
        return
      end
    end
    local function bar(who, buf)
      local gone = vim.b[buf].massgen_empty and ' (not there)' or ''
      return ('%s: %s%s'):format(who, file.path, gone)
    end
    put(diff.windows.left, left, bar(diff.left or 'yours', left), count)
    put(diff.windows.right, right, bar(diff.right, right), #diff.files > 1 and ']f [f q' or 'q')
    vim.api.nvim_win_call(diff.windows.right, function()
      vim.cmd('diffupdate')
      vim.cmd('silent! normal! gg]c')
    end)
    mark_list(diff)
    vim.cmd('redraw')
  end
  candidate_buffer(diff, diff.right, file, function(right)
    if diff.left then
      candidate_buffer(diff, diff.left, file, function(left)
        show(left, right)
      end)
    else
      show(live_buffer(diff, file), right)
    end
  end)
end

local SIGNS = { add = 'A', delete = 'D', rename = 'R', modify = 'M' }

---@param diff massgen.Diff
---@return string[]
local function list_lines(diff)
  return vim.tbl_map(function(file)
    local from = file.old_path and ' (from ' .. file.old_path .. ')' or ''
    local size = ('+%d −%d'):format(file.added, file.removed)
    return ('%s %s%s  %s'):format(SIGNS[file.kind] or 'M', words.flat(file.path), from, size)
  end, diff.files)
end

---@param diff massgen.Diff
local function open_tab(diff)
  vim.cmd('tabnew')
  local tab = vim.api.nvim_get_current_tabpage()
  local left = vim.api.nvim_get_current_win()
  local first = vim.api.nvim_win_get_buf(left)
  vim.bo[first].bufhidden = 'wipe'
  vim.bo[first].buflisted = false
  vim.cmd('rightbelow vsplit')
  diff.windows = { left = left, right = vim.api.nvim_get_current_win() }
  if #diff.files > 1 then
    vim.cmd(('topleft %dsplit'):format(math.min(LONGEST_LIST, #diff.files)))
    local win = vim.api.nvim_get_current_win()
    local buf = vim.api.nvim_create_buf(false, true)
    vim.bo[buf].bufhidden = 'wipe'
    vim.api.nvim_buf_set_name(buf, ('massgen-files:%d'):format(buf))
    vim.api.nvim_win_set_buf(win, buf)
    vim.api.nvim_buf_set_lines(buf, 0, -1, false, list_lines(diff))
    vim.bo[buf].modifiable, vim.bo[buf].filetype = false, 'massgen-files'
    vim.wo[win].winfixheight, vim.wo[win].cursorline = true, true
    vim.wo[win].number, vim.wo[win].relativenumber = false, false
    keys_of(diff, buf)
    vim.keymap.set('n', '<CR>', function()
      M.go(vim.fn.line('.'))
    end, { buffer = buf, desc = 'massgen: this file' })
    diff.windows.list = win
    vim.api.nvim_set_current_win(diff.windows.right)
  end
  tabs[tab] = diff
  vim.api.nvim_create_autocmd('TabClosed', {
    desc = 'massgen-ls: comparisons that are closed',
    callback = function()
      for each in pairs(tabs) do
        if not vim.api.nvim_tabpage_is_valid(each) then
          tabs[each] = nil
        end
      end
      return tabs[tab] == nil
    end,
  })
  show_file(tab)
end

---@param record table  Of `massgen/read`
---@param id string
---@return table?
local function find(record, id)
  for _, candidate in ipairs(record.candidates or {}) do
    if candidate.id == id then
      return candidate
    end
  end
  local there = vim.tbl_map(function(each)
    return each.id
  end, record.candidates or {})
  local which = #there > 0 and table.concat(there, ', ') or 'none'
  say.error(('run %s has no candidate %s; it has: %s'):format(record.run, id, which))
end

---The files that either of two candidates changes.
---@param candidates table[]
---@return massgen.DiffFile[]
local function files_of(candidates)
  local found, by_path = {}, {} ---@type massgen.DiffFile[], table<string, massgen.DiffFile>
  for _, candidate in ipairs(candidates) do
    for _, file in ipairs(candidate.files or {}) do
      if not by_path[file.path] then
        by_path[file.path] = {
          path = file.path,
          old_path = file.oldPath ~= file.path and file.oldPath or nil,
          kind = file.kind,
          added = file.added or 0,
          removed = file.removed or 0,
        }
        table.insert(found, by_path[file.path])
      elseif by_path[file.path].kind ~= file.kind then
        by_path[file.path].kind = 'modify' -- of two candidates, only one deletes it
      end
    end
  end
  table.sort(found, function(a, b)
    return a.path < b.path
  end)
  return found
end

---Asks for what is shown first, where this session knows it, while the run is asked about.
---@param client vim.lsp.Client
---@param id string
---@param wanted? string
local function fetch_first(client, id, wanted)
  local run = runs.get(id)
  for _, candidate in ipairs(run and run.candidates or {}) do
    if candidate.id == (wanted or run.winner) and candidate.first then
      documents.load(client, id, candidate.id, candidate.first, function() end)
    end
  end
end

---@param run? string
---@param candidate? string  The winner when absent
---@param other? string  A second candidate, which `candidate` is compared with
function M.show(run, candidate, other)
  require('massgen.actions').with_run(run, function(client, id)
    fetch_first(client, id, other or candidate)
    client_of.request(client, 'read', { runId = id, format = 'outline' }, function(record)
      local wanted = candidate or (record.verdict or {}).winner
      if not wanted then
        require('massgen.actions').pick_candidate(record, function(chosen)
          M.show(id, chosen)
        end)
        return
      end
      local right = find(record, other or wanted)
      local left = other and find(record, wanted) or nil
      if not right or (other and not left) then
        return
      end
      local files = files_of(left and { left, right } or { right })
      if #files == 0 then
        say.info(('%s changes nothing'):format(right.id))
        return
      end
      open_tab({
        client_id = client.id,
        run = record.run,
        left = left and left.id,
        right = right.id,
        root = record.root or record.folder,
        files = files,
        at = 1,
        windows = {},
        asked = 0,
      })
    end)
  end)
end

---@param number integer  Of the file, from 1
function M.go(number)
  local tab = vim.api.nvim_get_current_tabpage()
  local diff = tabs[tab]
  if diff then
    diff.at = number
    show_file(tab)
  end
end

---The next file of the comparison in this tab page, or the one before it.
---@param by integer
function M.step(by)
  local diff = tabs[vim.api.nvim_get_current_tabpage()]
  if not diff then
    say.info('no comparison here: `:Massgen diff` opens one')
    return
  end
  M.go((diff.at - 1 + by) % #diff.files + 1)
end

---Closes the comparison in this tab page.
function M.close()
  local tab = vim.api.nvim_get_current_tabpage()
  if not tabs[tab] then
    return
  end
  for _, win in pairs({ tabs[tab].windows.left, tabs[tab].windows.right }) do
    if vim.api.nvim_win_is_valid(win) then
      vim.api.nvim_win_call(win, function()
        vim.cmd('silent diffoff')
      end)
    end
  end
  if #vim.api.nvim_list_tabpages() > 1 then
    vim.cmd('tabclose')
  end
end

return M
