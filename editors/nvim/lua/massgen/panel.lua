---The floating panel of a run: its agents, what the checks say, the verdict. Lines are made from
---`massgen.runs` alone, at most ten times a second, and only those that changed are written.

local board = require('massgen.board')
local runs = require('massgen.runs')

local M = {}

local NAMESPACE = vim.api.nvim_create_namespace('massgen.panel')
local WIDEST = 100
local TICK = 1000 -- milliseconds: what has no news still has a clock

---Keys of the panel's own buffer, in the order in which the last line tells them.
local KEYS = {
  { 'q', 'close' },
  { 'a', 'apply' },
  { 'd', 'diff' },
  { 'h', 'hunks' },
  { 'l', 'log' },
  { 'n', 'note' },
  { 's', 'stop' },
  { 'X', 'cancel' },
  { 'r', 'report' },
  { '<CR>', 'open' },
  { '<Tab>', 'next run' },
}

---Linked to groups that every colour scheme has, light or dark.
local LINKS = {
  MassgenTitle = 'Title',
  MassgenDim = 'Comment',
  MassgenWorking = 'DiagnosticInfo',
  MassgenGood = 'DiagnosticOk',
  MassgenWarn = 'DiagnosticWarn',
  MassgenBad = 'DiagnosticError',
}

---@class massgen.Panel
---@field win integer
---@field buf integer
---@field run string
---@field lines massgen.Line[]
---@field since number  When it was opened, or another run was chosen
---@field stop fun()
---@field timer uv.uv_timer_t

local shown ---@type massgen.Panel?

-- ── where it is shown ────────────────────────────────────────────────────────────────────────

---@param width integer
---@return string  The keys that there is room for
local function footer(width)
  local text = ''
  for _, key in ipairs(KEYS) do
    local longer = ('%s %s %s '):format(text, key[1], key[2])
    if vim.api.nvim_strwidth(longer .. ' g? ') > width then
      return text .. ' g? '
    end
    text = longer
  end
  return text
end

---@param count integer  Lines to show
---@return vim.api.keyset.win_config
local function place(count)
  local columns_, rows = vim.o.columns, vim.o.lines - vim.o.cmdheight
  local width = math.max(1, math.min(WIDEST, columns_ - 2))
  local height = math.max(1, math.min(count, rows - 4))
  return {
    relative = 'editor',
    width = width,
    height = height,
    col = math.max(0, math.floor((columns_ - width - 2) / 2)),
    row = math.max(0, rows - height - 3),
    border = 'rounded',
    footer = footer(width),
    footer_pos = 'left',
  }
end

---@param panel massgen.Panel
---@param lines massgen.Line[]
local function write(panel, lines)
  local buf = panel.buf
  local function colour(number, line)
    for _, mark in ipairs(line.marks) do
      vim.api.nvim_buf_set_extmark(buf, NAMESPACE, number, mark[1], {
        end_col = mark[2],
        hl_group = mark[3],
      })
    end
  end
  vim.bo[buf].modifiable = true
  for i, line in ipairs(lines) do
    local old = panel.lines[i]
    if not (old and old.text == line.text and vim.deep_equal(old.marks, line.marks)) then
      vim.api.nvim_buf_clear_namespace(buf, NAMESPACE, i - 1, i)
      vim.api.nvim_buf_set_lines(buf, i - 1, i, false, { line.text })
      colour(i - 1, line)
    end
  end
  if #lines < vim.api.nvim_buf_line_count(buf) then
    vim.api.nvim_buf_set_lines(buf, #lines, -1, false, {})
  end
  vim.bo[buf].modifiable = false
  panel.lines = lines
end

local function draw()
  local panel = shown
  local before = panel and runs.get(panel.run)
  local going_on = runs.newest(true)[1]
  if panel and going_on and (not before or (before.outcome and going_on.since > panel.since)) then
    panel.run = going_on.id -- one that was started while the panel shows an old one
    M.resize()
  end
  local run = panel and runs.get(panel.run)
  if not panel or not run or not vim.api.nvim_win_is_valid(panel.win) then
    return
  end
  local width = math.max(1, math.min(WIDEST, vim.o.columns - 2))
  local lines = board.lines(run, width, runs.now())
  local height = #lines ~= #panel.lines
  write(panel, lines)
  if height then
    M.resize()
  end
end

function M.resize()
  if shown and vim.api.nvim_win_is_valid(shown.win) then
    local config = place(#shown.lines)
    config.title = (' massgen %s '):format(shown.run)
    vim.api.nvim_win_set_config(shown.win, config)
  end
end

function M.close()
  local panel = shown
  if not panel then
    return
  end
  shown = nil
  panel.stop()
  panel.timer:stop()
  panel.timer:close()
  if vim.api.nvim_win_is_valid(panel.win) then
    vim.api.nvim_win_close(panel.win, true)
  end
end

---What the cursor is on: a seat, a candidate, both, or none.
---@return string? seat, string? candidate
local function under_cursor()
  if not shown then
    return nil
  end
  local line = shown.lines[vim.api.nvim_win_get_cursor(shown.win)[1]] or {}
  return line.seat, line.candidate
end

---@param act fun(run: string, seat?: string, candidate?: string)
---@param leave boolean  What it shows needs the screen
local function key(act, leave)
  return function()
    local panel = shown
    if not panel then
      return
    end
    local seat, candidate = under_cursor()
    if leave then
      M.close()
    end
    act(panel.run, seat, candidate)
  end
end

local function next_run()
  local all = runs.newest()
  for i, run in ipairs(all) do
    if shown and run.id == shown.run then
      shown.run, shown.since = all[i % #all + 1].id, runs.now()
      draw()
      M.resize()
      return
    end
  end
end

---@param buf integer
local function map_keys(buf)
  local actions, agents = require('massgen.actions'), require('massgen.agents')
  local acts = {
    q = M.close,
    ['<Esc>'] = M.close,
    ['<CR>'] = key(function(run, seat, candidate)
      if candidate then
        require('massgen.diff').show(run, candidate)
      elseif seat then
        agents.log(run, seat)
      else
        actions.show(run)
      end
    end, true),
    a = key(function(run, _, candidate)
      actions.apply(run, candidate)
    end, false),
    d = key(function(run, _, candidate)
      require('massgen.diff').show(run, candidate)
    end, true),
    h = key(function(run, _, candidate)
      require('massgen.hunks').show(run, candidate)
    end, true),
    r = key(function(run)
      actions.show(run)
    end, true),
    l = key(function(run, seat)
      agents.log(run, seat)
    end, true),
    n = key(function(run, seat)
      agents.note(run, seat)
    end, false),
    s = key(function(run, seat)
      agents.stop(run, seat)
    end, false),
    X = key(function(run)
      actions.cancel(run)
    end, false),
    ['<Tab>'] = next_run,
    ['g?'] = function()
      local told = vim.tbl_map(function(each)
        return ('%-6s %s'):format(each[1], each[2])
      end, KEYS)
      vim.api.nvim_echo({ { table.concat(told, '\n') } }, false, {})
    end,
  }
  for lhs, act in pairs(acts) do
    vim.keymap.set('n', lhs, act, { buffer = buf, nowait = true, desc = 'massgen panel' })
  end
end

---@param run massgen.Run
local function open(run)
  for name, target in pairs(LINKS) do
    vim.api.nvim_set_hl(0, name, { link = target, default = true })
  end
  local buf = vim.api.nvim_create_buf(false, true)
  vim.bo[buf].bufhidden, vim.bo[buf].filetype = 'wipe', 'massgen'
  local config = place(6)
  config.title, config.style = (' massgen %s '):format(run.id), 'minimal'
  local win = vim.api.nvim_open_win(buf, true, config)
  vim.wo[win].wrap, vim.wo[win].cursorline = false, true
  local timer = assert(vim.uv.new_timer())
  shown = {
    win = win,
    buf = buf,
    run = run.id,
    lines = {},
    since = runs.now(),
    stop = runs.follow(draw),
    timer = timer,
  }
  timer:start(
    TICK,
    TICK,
    vim.schedule_wrap(function()
      local now = shown and runs.get(shown.run)
      if now and not now.outcome then
        draw()
      end
    end)
  )
  map_keys(buf)
  vim.api.nvim_create_autocmd('WinClosed', {
    pattern = tostring(win),
    once = true,
    desc = 'massgen-ls: the panel is closed',
    callback = vim.schedule_wrap(function()
      if shown and shown.win == win then -- not one that was opened since
        M.close()
      end
    end),
  })
  vim.api.nvim_create_autocmd('VimResized', {
    buffer = buf,
    desc = 'massgen-ls: the panel fits the screen',
    callback = function()
      draw()
      M.resize()
    end,
  })
  draw()
end

---@return boolean
function M.is_open()
  return shown ~= nil and vim.api.nvim_win_is_valid(shown.win)
end

---@return massgen.Run?  That it shows
function M.current()
  return M.is_open() and shown and runs.get(shown.run) or nil
end

---Shows the panel of a run; when it is shown already, goes there, and from there closes it.
---@param run massgen.Run
function M.toggle(run)
  local panel = shown
  if panel and vim.api.nvim_win_is_valid(panel.win) then
    local here = vim.api.nvim_get_current_win() == panel.win
    local same_tab = vim.api.nvim_win_get_tabpage(panel.win) == vim.api.nvim_get_current_tabpage()
    if run.id == panel.run then
      if here then
        return M.close()
      elseif same_tab then
        return vim.api.nvim_set_current_win(panel.win)
      end
    end
    M.close()
  end
  open(run)
end

return M
