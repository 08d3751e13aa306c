---What this session knows of its runs, from the server's events; the `User` autocommands.

local conflicts_of = require('massgen.conflicts')
local usage_of = require('massgen.usage')

local M = {}

---@class massgen.Seat
---@field name string
---@field state 'waiting'|'working'|'paused'|'done'|'failed'|'timed_out'|'cancelled'|'missing'|'interrupted'
---@field attempt integer
---@field action string  What it was last seen doing, or why it ended
---@field files table<string, true>  What it was seen changing, then what it changed
---@field since? number  When its attempt began, in seconds since the epoch
---@field seconds? number  How long it took; nil while it goes on
---@field spent table<integer, massgen.Usage>  By attempt
---@field candidate? string

---@class massgen.Candidate
---@field id string
---@field seat string
---@field tree string
---@field files integer
---@field added integer
---@field removed integer
---@field first? string  The first file, by name, that it has

---@class massgen.CheckWord
---@field outcome string
---@field failures string[]

---@class massgen.Run
---@field id string
---@field client_id integer
---@field prompt string
---@field folder string
---@field root? string  Top of the working tree: paths of events are relative to it
---@field base? string  The snapshot's tree
---@field seats table<string, massgen.Seat>
---@field order string[]  Names of the seats
---@field candidates massgen.Candidate[]
---@field checks string[]  Names
---@field checked table<string, table<string, massgen.CheckWord>>  Tree → check → what it said
---@field judging table<string, massgen.Usage>  By question
---@field since number  When it began, in seconds since the epoch
---@field seconds? number  How long it took; nil while it goes on
---@field outcome? string  nil while it goes on
---@field winner? string
---@field why string

local known = {} ---@type table<string, massgen.Run>
local order = {} ---@type string[]  Oldest first
local listeners = {} ---@type table<function, true>
local waking = false

local LIMIT = 200 -- runs remembered; the server has them all
local BEAT = 100 -- milliseconds: so often, at most, somebody is told of news

---@return number
function M.now()
  local seconds, micros = vim.uv.gettimeofday()
  return seconds + micros / 1e6
end

local function wake()
  waking = false
  for listener in pairs(listeners) do
    listener()
  end
  pcall(vim.cmd.redrawstatus)
end

---Tells everybody who shows something, a moment later: events come in bursts.
local function stir()
  if not waking then
    waking = true
    vim.defer_fn(wake, BEAT)
  end
end

---Calls `listener` after news, at most ten times a second, until the returned function is called.
---@param listener fun()
---@return fun()
function M.follow(listener)
  listeners[listener] = true
  return function()
    listeners[listener] = nil
  end
end

---@param pattern string
---@param data table
local function tell(pattern, data)
  vim.api.nvim_exec_autocmds('User', { pattern = pattern, modeline = false, data = data })
end

---@param id string
---@param client_id integer
---@return massgen.Run
local function entry(id, client_id)
  if not known[id] then
    known[id] = {
      id = id,
      client_id = client_id,
      prompt = '',
      folder = '',
      seats = {},
      order = {},
      candidates = {},
      checks = {},
      checked = {},
      judging = {},
      since = M.now(),
      why = '',
    }
    table.insert(order, id)
    if #order > LIMIT then
      known[table.remove(order, 1)] = nil
    end
  end
  return known[id]
end

---@param run massgen.Run
---@param name string
---@return massgen.Seat
local function seat_of(run, name)
  local seat = run.seats[name]
  if not seat then
    seat = { name = name, state = 'waiting', attempt = 0, action = '', files = {}, spent = {} }
    run.seats[name] = seat
    table.insert(run.order, name)
  end
  return seat
end

---@param run massgen.Run
---@return massgen.Usage  All that a run has spent
function M.spent(run)
  local all = { usage_of.sum(run.judging) }
  for _, seat in pairs(run.seats) do
    table.insert(all, usage_of.sum(seat.spent))
  end
  return usage_of.sum(all)
end

local CHANGING = { edit = true, write = true, create = true, delete = true, move = true }

local on = {} ---@type table<string, fun(run: massgen.Run, event: table)>

function on.run_started(run, event)
  run.folder = event.folder or ''
  run.since = event.time or run.since
  run.prompt = vim.tbl_get(event, 'spec', 'task', 'prompt') or ''
  for _, agent in ipairs(vim.tbl_get(event, 'spec', 'agents') or {}) do
    seat_of(run, agent.id)
  end
  for _, check in ipairs(vim.tbl_get(event, 'spec', 'checks') or {}) do
    table.insert(run.checks, check.name)
  end
  tell('MassgenRunStarted', {
    run = run.id,
    prompt = run.prompt,
    folder = run.folder,
    client_id = run.client_id,
  })
end

function on.snapshot_taken(run, event)
  run.root = vim.tbl_get(event, 'snapshot', 'root')
  run.base = vim.tbl_get(event, 'snapshot', 'tree')
end

function on.attempt_started(run, event)
  local seat = seat_of(run, event.seat)
  seat.state, seat.attempt, seat.since = 'working', event.attempt or 1, event.time
  seat.action, seat.files, seat.seconds = '', {}, nil
end

function on.agent_acted(run, event)
  local seat = seat_of(run, event.seat)
  local target = event.target or ''
  seat.state = 'working'
  seat.action = target == '' and event.action or event.action .. ' ' .. target
  if CHANGING[event.action] and target ~= '' then
    seat.files[target] = true
  end
end

function on.attempt_paused(run, event)
  local seat = seat_of(run, event.seat)
  seat.state = 'paused'
  seat.action = ('waits %ds: %s'):format(event.seconds or 0, event.reason or '')
end

function on.attempt_ended(run, event)
  local seat = seat_of(run, event.seat)
  seat.state, seat.action, seat.seconds = event.outcome, event.reason or '', event.seconds
end

function on.usage_reported(run, event)
  seat_of(run, event.seat).spent[event.attempt or 1] = usage_of.read(event.usage)
end

function on.judging_used(run, event)
  local question = table.concat(event.shown or {}, ' ')
  run.judging[('%s %s %s'):format(event.judge, event.epoch, question)] = usage_of.read(event.usage)
end

---@param run massgen.Run
---@param candidate table
---@param files table[]
local function captured(run, candidate, files)
  local seat = seat_of(run, candidate.seat)
  local added, removed = 0, 0
  local first ---@type table?
  seat.candidate, seat.files = candidate.id, {}
  for _, file in ipairs(files) do
    added, removed = added + (file.added or 0), removed + (file.removed or 0)
    seat.files[file.path] = true
    first = (not first or file.path < first.path) and file or first
  end
  table.insert(run.candidates, {
    id = candidate.id,
    seat = candidate.seat,
    tree = candidate.tree,
    files = #files,
    added = added,
    removed = removed,
    first = first and first.kind ~= 'delete' and first.path or nil,
  })
end

function on.candidate_captured(run, event)
  local files = vim.tbl_get(event.candidate, 'changes', 'files') or {}
  captured(run, event.candidate, files)
  tell('MassgenCandidate', {
    run = run.id,
    candidate = event.candidate.id,
    seat = event.candidate.seat,
    paths = vim.tbl_map(function(file)
      return file.path
    end, files),
    client_id = run.client_id,
  })
end

function on.nothing_captured(run, event)
  local seat = seat_of(run, event.seat)
  seat.files = {}
  seat.action = seat.action ~= '' and seat.action or event.reason or ''
end

function on.check_finished(run, event)
  local result = event.result
  run.checked[result.tree] = run.checked[result.tree] or {}
  run.checked[result.tree][result.check] = {
    outcome = result.outcome,
    failures = result.failures or {},
  }
end

function on.run_settled(run, event)
  local verdict = event.verdict or {}
  run.outcome, run.winner = verdict.outcome or 'none', verdict.winner
  run.why = verdict.why or ''
  run.seconds = math.max(0, (event.time or M.now()) - run.since)
  tell('MassgenRunSettled', {
    run = run.id,
    outcome = run.outcome,
    winner = run.winner,
    why = run.why,
    candidates = M.ids(run),
    client_id = run.client_id,
  })
end

function on.delivered(run, event)
  local conflicts = event.conflicts or {}
  if #conflicts > 0 then
    conflicts_of.list(run, event)
  end
  tell('MassgenApplied', {
    run = run.id,
    candidate = event.candidate,
    paths = event.paths or {},
    conflicts = conflicts,
    root = run.root,
    client_id = run.client_id,
  })
end

function on.delivery_refused(run, event)
  if #(event.conflicts or {}) > 0 then
    conflicts_of.list(run, event)
  end
end

---Takes one `massgen/event`. Kinds that are not known here change nothing.
---@param event table
---@param client_id integer
function M.hear(event, client_id)
  if type(event) ~= 'table' or type(event.run) ~= 'string' or not on[event.kind] then
    return
  end
  on[event.kind](entry(event.run, client_id), event)
  if event.kind == 'run_settled' then
    wake() -- before the question that follows takes the screen
  else
    stir()
  end
end

---Takes a run as `massgen/read` tells it: one of another session, or of a server that is gone.
---@param record table
---@param client_id integer
---@return massgen.Run
function M.learn(record, client_id)
  local run = entry(record.run, client_id)
  local verdict = record.verdict or {}
  run.client_id, run.folder = client_id, record.folder or run.folder
  run.prompt = vim.tbl_get(record, 'task', 'prompt') or run.prompt
  run.checks = record.checks or run.checks
  if verdict.outcome ~= 'running' then
    run.outcome, run.winner, run.why = verdict.outcome, verdict.winner, verdict.why or ''
  end
  run.candidates = {}
  for _, each in ipairs(record.seats or {}) do
    local seat = seat_of(run, each.seat)
    seat.state = each.phase == 'ended' and each.outcome or each.phase
    seat.attempt = each.attempt or 0
    seat.action = each.phase == 'ended' and each.reason or each.action or ''
    seat.seconds = each.phase == 'ended' and each.seconds or nil
    seat.spent = { usage_of.read(each.usage) }
  end
  run.judging = { usage_of.read(record.judging) }
  for _, candidate in ipairs(record.candidates or {}) do
    captured(run, candidate, candidate.files or {})
    for _, evidence in ipairs(candidate.checks or {}) do
      run.checked[candidate.tree] = run.checked[candidate.tree] or {}
      run.checked[candidate.tree][evidence.check] = {
        outcome = evidence.outcome,
        failures = evidence.new_failures or {},
      }
    end
  end
  stir()
  return run
end

---The server of these runs is gone: what was going on is over, as far as this session knows.
---@param client_id integer
---@return string[]  The runs that were going on
function M.lose(client_id)
  local lost = {} ---@type string[]
  for _, id in ipairs(order) do
    local run = known[id]
    if run.client_id == client_id and not run.outcome then
      table.insert(lost, id)
      run.outcome, run.seconds = 'interrupted', M.now() - run.since
      run.why = 'The server ended. Its candidates are kept: `:Massgen runs` lists them.'
      for _, seat in pairs(run.seats) do
        if seat.state == 'working' or seat.state == 'waiting' or seat.state == 'paused' then
          seat.seconds = seat.since and M.now() - seat.since
          seat.state, seat.action = 'interrupted', ''
        end
      end
      tell('MassgenRunSettled', {
        run = id,
        outcome = 'interrupted',
        why = run.why,
        candidates = M.ids(run),
        client_id = client_id,
      })
    end
  end
  stir()
  return lost
end

---@param id string
---@return massgen.Run?
function M.get(id)
  return known[id]
end

---@param run massgen.Run
---@return string[]
function M.ids(run)
  return vim.tbl_map(function(candidate)
    return candidate.id
  end, run.candidates)
end

---Runs of this session, the newest first.
---@param going_on? boolean  Only those without a verdict
---@return massgen.Run[]
function M.newest(going_on)
  local found = {}
  for i = #order, 1, -1 do
    local run = known[order[i]]
    if not going_on or not run.outcome then
      table.insert(found, run)
    end
  end
  return found
end

---@param run massgen.Run
---@return integer ended, integer all
function M.progress(run)
  local ended, all = 0, 0
  for _, seat in pairs(run.seats) do
    local going = seat.state == 'working' or seat.state == 'waiting' or seat.state == 'paused'
    all, ended = all + 1, ended + (going and 0 or 1)
  end
  return ended, all
end

---@return string
function M.status()
  local going_on = M.newest(true)
  if #going_on == 0 then
    return ''
  end
  local words = require('massgen.words')
  local ended, all, cost = 0, 0, 0
  for _, run in ipairs(going_on) do
    local a, b = M.progress(run)
    ended, all, cost = ended + a, all + b, cost + (M.spent(run).cost or 0)
  end
  local count = #going_on > 1 and (' %d runs'):format(#going_on) or ''
  local spent = cost > 0 and ' ' .. words.money(cost) or ''
  local time = words.elapsed(M.now() - going_on[#going_on].since)
  return ('massgen%s %d/%d%s %s'):format(count, ended, all, spent, time)
end

return M
