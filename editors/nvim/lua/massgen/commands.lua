---`:Massgen`: a task, or the exact name of a subcommand with arguments that fit it.
---
---What could be either is asked about, so that nothing is ever started by a slip of the fingers,
---and no task is taken for a subcommand.

local actions = require('massgen.actions')
local agents = require('massgen.agents')

local M = {}

---@class massgen.Subcommand
---@field usage string
---@field fits fun(words: string[]): any[]?  Its arguments; nil when these are not for it
---@field act fun(...)

-- ── what words look like ─────────────────────────────────────────────────────────────────────

---A run's id, or its beginning: it starts with a date.
---@param word? string
local function is_run(word)
  return word ~= nil and word:match('^%d%d%d%d[%w-]*$') ~= nil
end

---@param word? string
local function is_candidate(word)
  return word ~= nil and word:match('^%S+%.%d+$') ~= nil
end

---An agent of a run of this session.
---@param word? string
local function is_seat(word)
  for _, run in ipairs(require('massgen.runs').newest()) do
    if word and run.seats[word] then
      return true
    end
  end
  return false
end

---@type table<string, fun(word?: string): boolean>
local KINDS = { run = is_run, candidate = is_candidate, seat = is_seat }

---Arguments of the given kinds, in that order, each of which may be absent.
---@param ... 'run'|'candidate'|'seat'
---@return fun(words: string[]): any[]?
local function optional(...)
  local kinds = { ... }
  return function(given)
    local found, at = {}, 1
    for i, kind in ipairs(kinds) do
      if KINDS[kind](given[at]) then
        found[i], at = given[at], at + 1
      end
    end
    return at > #given and found or nil
  end
end

---@param word string
---@param otherwise fun(words: string[]): any[]?
---@return fun(words: string[]): any[]?
local function or_word(word, otherwise)
  return function(given)
    if #given == 1 and given[1] == word then
      return { word }
    end
    return otherwise(given)
  end
end

local function nothing(given)
  return #given == 0 and {} or nil
end

---An agent and a note for it: everything behind its name.
local function seat_and_text(given)
  if #given == 0 then
    return {}
  end
  if not is_seat(given[1]) then
    return nil
  end
  return { given[1], #given > 1 and table.concat(given, ' ', 2) or nil }
end

-- ── what there is ────────────────────────────────────────────────────────────────────────────

---@type table<string, massgen.Subcommand>
local SUBCOMMANDS = {
  show = { usage = '[run] [candidate]', fits = optional('run', 'candidate'), act = actions.show },
  apply = { usage = '[run] [candidate]', fits = optional('run', 'candidate'), act = actions.apply },
  discard = {
    usage = '[run] [candidate]',
    fits = optional('run', 'candidate'),
    act = actions.discard,
  },
  cancel = {
    usage = '[run] | all',
    fits = or_word('all', optional('run')),
    act = function(run)
      if run == 'all' then
        actions.cancel_all()
      else
        actions.cancel(run)
      end
    end,
  },
  runs = { usage = '', fits = nothing, act = actions.pick },
  panel = { usage = '[run]', fits = optional('run'), act = actions.panel },
  diff = {
    usage = '[run] [candidate] [candidate] | next | prev',
    fits = or_word('next', or_word('prev', optional('run', 'candidate', 'candidate'))),
    act = function(run, candidate, other)
      local diff = require('massgen.diff')
      if run == 'next' or run == 'prev' then
        diff.step(run == 'next' and 1 or -1)
      else
        diff.show(run, candidate, other)
      end
    end,
  },
  hunks = {
    usage = '[run] [candidate]',
    fits = optional('run', 'candidate'),
    act = function(run, candidate)
      require('massgen.hunks').show(run, candidate)
    end,
  },
  accept = {
    usage = '',
    fits = nothing,
    act = function()
      require('massgen.hunks').accept(M.range)
    end,
  },
  note = {
    usage = '[agent] [text]',
    fits = seat_and_text,
    act = function(seat, text)
      agents.note(nil, seat, text)
    end,
  },
  stop = {
    usage = '[agent] | all',
    fits = or_word('all', optional('seat')),
    act = function(seat)
      if seat == 'all' then
        agents.stop_all()
      else
        agents.stop(nil, seat)
      end
    end,
  },
  log = { usage = '[run] [agent]', fits = optional('run', 'seat'), act = agents.log },
}

---What `:Massgen run` takes before the task.
local OPTIONS = {
  agents = function(value)
    return vim.split(value, ',', { trimempty = true })
  end,
  checks = function(value)
    return vim.split(value, ',', { trimempty = true })
  end,
  mode = tostring,
  apply = tostring,
  context = function(value)
    local run, seat = value:match('^([^/]+)/?(.*)$')
    return run and { runId = run, seat = seat ~= '' and seat or nil }
  end,
  attach = function(value)
    return vim.tbl_map(function(file)
      return vim.fn.fnamemodify(file, ':p')
    end, vim.split(value, ',', { trimempty = true }))
  end,
}

---Options and a task. A task may begin with the word `run` too: without an option or `--` behind
---it, it does.
---@param text string  Behind `run`
---@return { task: string, opts: table }?
local function read_run(text)
  local opts, rest, some = {}, vim.trim(text), false
  while rest ~= '' do
    local name, value, behind = rest:match('^(%l+)=(%S+)%s*(.*)$')
    local read = name and OPTIONS[name]
    if not read then
      break
    end
    opts[name], rest, some = read(value), behind, true
  end
  local behind = rest:match('^%-%-%s+(.*)$') or rest:match('^%-%-$') and ''
  if behind or some or rest == '' then
    return { task = behind or rest, opts = opts }
  end
end

-- ── what is meant ────────────────────────────────────────────────────────────────────────────

---How many letters have to change to make one word of the other.
---@param a string
---@param b string
---@return integer
local function distance(a, b)
  local above = {} ---@type integer[]
  for j = 0, #b do
    above[j] = j
  end
  for i = 1, #a do
    local row = { [0] = i }
    for j = 1, #b do
      local same = a:sub(i, i) == b:sub(j, j) and 0 or 1
      row[j] = math.min(above[j] + 1, row[j - 1] + 1, above[j - 1] + same)
    end
    above = row
  end
  return above[#b]
end

---The subcommand that a word nearly is: its beginning, or it with a slip.
---@param word string
---@return string?
local function near(word)
  local best, least = nil, math.huge
  for name in pairs(SUBCOMMANDS) do
    local far = distance(word:lower(), name)
    if #word >= 2 and vim.startswith(name, word:lower()) then
      far = 0
    end
    if far <= (#name > 4 and 2 or 1) and (far < least or far == least and name < best) then
      best, least = name, far
    end
  end
  return best
end

---@class massgen.Meaning
---@field verb? string  A subcommand
---@field args? any[]
---@field task? string  A run
---@field opts? table
---@field doubt? string  The subcommand that may have been meant instead of a task

---What a command line means. Pure.
---@param text string
---@return massgen.Meaning
function M.read(text)
  text = vim.trim(text)
  local dashed = text:match('^%-%-%s+(.*)$')
  if dashed then
    return { task = dashed, opts = {} }
  end
  local given = vim.split(text, '%s+', { trimempty = true })
  local first = table.remove(given, 1)
  if not first then
    return { task = '', opts = {} }
  end
  if first == 'run' then
    local found = read_run(text:sub(4))
    return found or { task = text, opts = {} }
  end
  local subcommand = SUBCOMMANDS[first]
  if subcommand then
    local args = subcommand.fits(given)
    if args then
      return { verb = first, args = args }
    end
    return { task = text, opts = {}, doubt = first }
  end
  local other = near(first)
  if other and SUBCOMMANDS[other].fits(given) then
    return { task = text, opts = {}, doubt = other }
  end
  return { task = text, opts = {} }
end

---@param meaning massgen.Meaning
---@param callback fun()
local function unless_in_doubt(meaning, callback)
  local verb = meaning.doubt
  if not verb then
    callback()
    return
  end
  local usage = vim.trim((':Massgen %s %s'):format(verb, SUBCOMMANDS[verb].usage))
  vim.ui.select({ 'Start a run with this task', 'Do nothing' }, {
    kind = 'massgen',
    prompt = ('“%s” is not `%s`. Is it a task?'):format(meaning.task, usage),
  }, function(_, choice)
    if choice == 1 then
      callback()
    end
  end)
end

---@param args vim.api.keyset.create_user_command.command_args
function M.run(args)
  local meaning = M.read(args.args)
  local range = args.range > 0 and { args.line1, args.line2 } or nil
  if meaning.verb then
    if args.bang then
      local what = '`:Massgen!` takes a task; `%s` has no `!`'
      require('massgen.say').error(what:format(meaning.verb))
      return
    end
    M.range = range ---@type [integer, integer]?
    local given = meaning.args or {}
    SUBCOMMANDS[meaning.verb].act(given[1], given[2], given[3])
    M.range = nil
    return
  end
  unless_in_doubt(meaning, function()
    local opts = meaning.opts or {}
    opts.lines = range
    opts.apply = args.bang and 'auto' or opts.apply
    actions.run(meaning.task, opts)
  end)
end

M.is_run = is_run
M.SUBCOMMANDS, M.OPTIONS = SUBCOMMANDS, OPTIONS

return M
