---What the panel says of a run, as lines with colours. Pure but for the width of characters.

local runs = require('massgen.runs')
local words = require('massgen.words')

local M = {}

local SIGNS = {
  waiting = '·',
  working = '●',
  paused = '○',
  done = '✓',
  failed = '✗',
  timed_out = '✗',
  missing = '✗',
  cancelled = '–',
  interrupted = '–',
}

local COLOURS = {
  waiting = 'MassgenDim',
  working = 'MassgenWorking',
  paused = 'MassgenWarn',
  done = 'MassgenGood',
  failed = 'MassgenBad',
  timed_out = 'MassgenBad',
  missing = 'MassgenBad',
  cancelled = 'MassgenDim',
  interrupted = 'MassgenWarn',
}

---@class massgen.Line
---@field text string
---@field marks [integer, integer, string][]  Bytes from, to, group
---@field seat? string
---@field candidate? string

---@param parts [string, string?][]  Text and group
---@param extra? table
---@return massgen.Line
local function line_of(parts, extra)
  local text, marks = '', {} ---@type string, [integer, integer, string][]
  for _, part in ipairs(parts) do
    if part[2] then
      table.insert(marks, { #text, #text + #part[1], part[2] })
    end
    text = text .. part[1]
  end
  return vim.tbl_extend('error', { text = text, marks = marks }, extra or {})
end

---@param usage massgen.Usage
---@return string tokens, string cost
local function spent_words(usage)
  local tokens = usage.tokens > 0 and words.tokens(usage.tokens) or ''
  return tokens, usage.cost and words.money(usage.cost) or ''
end

---@param run massgen.Run
---@param width integer
---@param now number
---@return massgen.Line
local function summary(run, width, now)
  local ended, all = runs.progress(run)
  local parts = {} ---@type string[]
  if run.outcome then
    table.insert(parts, run.winner and run.outcome .. ': ' .. run.winner or run.outcome)
  else
    table.insert(parts, ('%d of %d done'):format(ended, all))
  end
  local seconds = run.seconds or (not run.outcome and now - run.since) or nil
  if seconds then
    table.insert(parts, words.elapsed(seconds))
  end
  local tokens, cost = spent_words(runs.spent(run))
  if tokens ~= '' then
    table.insert(parts, tokens .. ' tokens')
  end
  if cost ~= '' then
    table.insert(parts, cost)
  end
  local colour = not run.outcome and 'MassgenWorking'
    or run.outcome == 'won' and 'MassgenGood'
    or 'MassgenWarn'
  local text = words.cut(table.concat(parts, ' · '), width)
  return line_of({ { text, colour } })
end

---@param width integer
---@param run massgen.Run
---@return table<string, integer>  Column → its width; absent when there is no room or nothing in it
local function columns(width, run)
  local name = 5
  for _, each in ipairs(run.order) do
    name = math.max(name, vim.api.nvim_strwidth(each))
  end
  local spent = runs.spent(run)
  local found = { name = math.min(name, math.max(5, math.floor(width / 4))), state = 9 }
  local left = width - 2 - found.name - 1 - found.state - 1
  local wanted = { { 'time', 7 }, { 'files', 6 } }
  if spent.tokens > 0 then
    table.insert(wanted, { 'tokens', 7 })
  end
  if spent.cost then
    table.insert(wanted, { 'cost', 9 })
  end
  for _, each in ipairs(wanted) do
    if left - each[2] >= 14 then
      found[each[1]] = each[2]
      left = left - each[2]
    end
  end
  found.doing = math.max(0, left)
  return found
end

local RIGHT = { 'files', 'tokens', 'cost', 'time' }

---@param cols table<string, integer>
---@param cells table<string, string>
---@return string
local function row(cols, cells)
  local text = words.pad(cells.doing, cols.doing)
  for _, name in ipairs(RIGHT) do
    if cols[name] then
      text = text .. words.pad(cells[name], cols[name], true)
    end
  end
  return text
end

local FATES = { kept = 'applied', edited = 'applied, edited since', undone = 'taken back' }

---@param run massgen.Run
---@param seat massgen.Seat
---@return string
local function doing(run, seat)
  local action = words.flat(seat.action)
  if seat.state ~= 'done' or action ~= '' then
    return action
  end
  for _, candidate in ipairs(run.candidates) do
    if candidate.id == seat.candidate then
      local size = ('+%d −%d'):format(candidate.added, candidate.removed)
      return candidate.id .. ' ' .. (FATES[candidate.fate] or size)
    end
  end
  return ''
end

---@param run massgen.Run
---@param name string
---@param cols table<string, integer>
---@param now number
---@return massgen.Line
local function seat_line(run, name, cols, now)
  local seat = run.seats[name]
  local files = vim.tbl_count(seat.files)
  local tokens, cost = spent_words(require('massgen.usage').sum(seat.spent))
  local seconds = seat.seconds
  if not seconds and seat.since and (seat.state == 'working' or seat.state == 'paused') then
    seconds = now - seat.since
  end
  local colour = COLOURS[seat.state] or 'MassgenDim'
  return line_of({
    { (SIGNS[seat.state] or '·') .. ' ', colour },
    { words.pad(name, cols.name) .. ' ' },
    { words.pad((seat.state:gsub('_', ' ')), cols.state) .. ' ', colour },
    {
      row(cols, {
        doing = doing(run, seat),
        files = files > 0 and tostring(files) or '',
        tokens = tokens,
        cost = cost,
        time = seconds and words.elapsed(seconds) or '',
      }),
    },
  }, { seat = name, candidate = seat.candidate })
end

---@param said? massgen.CheckWord
---@param base? massgen.CheckWord
---@return string text, string colour
local function check_words(said, base)
  if not said then
    return '…', 'MassgenDim'
  end
  if said.outcome == 'passed' then
    return 'passes', 'MassgenGood'
  end
  if said.outcome ~= 'failed' then
    return (said.outcome:gsub('_', ' ')), 'MassgenWarn'
  end
  local function failing(word, count)
    return count > 0 and ('%s %d'):format(word, count) or word
  end
  if not base then -- it is the state before, or that is not judged yet
    return failing('fails', #said.failures), 'MassgenBad'
  end
  local old = {} ---@type table<string, true>
  for _, failure in ipairs(base.failures) do
    old[failure] = true
  end
  local new = vim.tbl_filter(function(failure)
    return not old[failure]
  end, said.failures)
  if #new == 0 and base.outcome == 'failed' then
    return 'as before', 'MassgenDim'
  end
  return failing('breaks', #new), 'MassgenBad'
end

---@param run massgen.Run
---@param width integer
---@return massgen.Line[]
local function checks(run, width)
  if #run.checks == 0 then
    return {}
  end
  local lines = { line_of({ { '' } }), line_of({ { 'Checks', 'MassgenTitle' } }) }
  local base = run.base and run.checked[run.base] or {}
  local trees = run.base and { { 'before', run.base } } or {}
  for _, candidate in ipairs(run.candidates) do
    table.insert(trees, { candidate.id, candidate.tree })
  end
  local name = 0
  for _, each in ipairs(trees) do
    name = math.max(name, vim.api.nvim_strwidth(each[1]))
  end
  name = math.min(name, math.max(8, math.floor(width / 3)))
  for _, each in ipairs(trees) do
    local parts = { { '  ' .. words.pad(each[1], name) } }
    for _, check in ipairs(run.checks) do
      local said = (run.checked[each[2]] or {})[check]
      local text, colour = check_words(said, each[2] ~= run.base and base[check] or nil)
      vim.list_extend(parts, { { '  ' .. check .. ' ' }, { text, colour } })
    end
    local candidate = each[2] ~= run.base and each[1] or nil
    table.insert(lines, line_of(parts, { candidate = candidate }))
  end
  return lines
end

---@param text string
---@param width integer
---@return string[]
local function wrapped(text, width)
  local lines, line = {}, '' ---@type string[], string
  for word in text:gmatch('%S+') do
    local longer = line == '' and word or line .. ' ' .. word
    if vim.api.nvim_strwidth(longer) > width and line ~= '' then
      table.insert(lines, line)
      line = word
    else
      line = longer
    end
  end
  table.insert(lines, line)
  return lines
end

local SAID = { vote = 'votes for', improve = 'improves on' }

---Who said what in each round of consensus.
---@param run massgen.Run
---@param width integer
---@return massgen.Line[]
local function rounds(run, width)
  local said = {} ---@type table<integer, string[]>
  for _, word in ipairs(run.words) do
    said[word.round] = said[word.round] or {}
    local told = ('%s %s %s'):format(word.judge, SAID[word.said], word.choice or 'none')
    table.insert(said[word.round], told)
  end
  if #said == 0 then
    return {}
  end
  local lines = { line_of({ { '' } }), line_of({ { 'Rounds', 'MassgenTitle' } }) }
  for round, all in ipairs(said) do
    for number, text in ipairs(wrapped(table.concat(all, ', '), width - 5)) do
      local head = number == 1 and ('  %d  '):format(round) or '     '
      table.insert(lines, line_of({ { head, 'MassgenDim' }, { text } }))
    end
  end
  return lines
end

---@param run massgen.Run
---@param width integer
---@param now number  Seconds since the epoch
---@return massgen.Line[]
function M.lines(run, width, now)
  local lines = {
    line_of({ { words.cut(words.flat(run.prompt), width), 'MassgenTitle' } }),
    summary(run, width, now),
    line_of({ { '' } }),
  }
  local cols = columns(width, run)
  local head = { doing = '', files = 'files', tokens = 'tokens', cost = 'cost', time = 'time' }
  local titles = words.pad('  agent', cols.name + 3) .. words.pad('state', cols.state + 1)
  table.insert(lines, line_of({ { titles .. row(cols, head), 'MassgenDim' } }))
  for _, name in ipairs(run.order) do
    table.insert(lines, seat_line(run, name, cols, now))
  end
  vim.list_extend(lines, checks(run, width))
  vim.list_extend(lines, rounds(run, width))
  if run.why ~= '' then
    vim.list_extend(lines, { line_of({ { '' } }), line_of({ { 'Verdict', 'MassgenTitle' } }) })
    for _, text in ipairs(wrapped(words.flat(run.why), width - 2)) do
      table.insert(lines, line_of({ { '  ' .. text } }))
    end
  end
  for _, line in ipairs(lines) do
    line.text = words.cut(line.text, width)
    for _, mark in ipairs(line.marks) do
      mark[1], mark[2] = math.min(mark[1], #line.text), math.min(mark[2], #line.text)
    end
  end
  return lines
end

return M
