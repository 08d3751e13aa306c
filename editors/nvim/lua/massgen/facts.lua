---What each of the server's events changes in what is known of its run; the `User` autocommands.

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
---@field fate? 'kept'|'edited'|'undone'  What became of it in the user's files, once it has landed
---@field first? string  The first file, by name, that it has

---@class massgen.Word  What an agent said in a round of consensus
---@field round integer
---@field judge string
---@field said 'vote'|'improve'
---@field choice? string
---@field epoch? integer  How many candidates there were

---@class massgen.CheckWord
---@field outcome string
---@field failures string[]

---@return number
function M.now()
  local seconds, micros = vim.uv.gettimeofday()
  return seconds + micros / 1e6
end

---@param pattern string
---@param data table
function M.tell(pattern, data)
  vim.api.nvim_exec_autocmds('User', { pattern = pattern, modeline = false, data = data })
end

---@param run massgen.Run
---@return string[]
function M.ids(run)
  return vim.tbl_map(function(candidate)
    return candidate.id
  end, run.candidates)
end

---@param run massgen.Run
---@param name string
---@return massgen.Seat
function M.seat(run, name)
  local seat = run.seats[name]
  if not seat then
    seat = { name = name, state = 'waiting', attempt = 0, action = '', files = {}, spent = {} }
    run.seats[name] = seat
    table.insert(run.order, name)
  end
  return seat
end

local CHANGING = { edit = true, write = true, create = true, delete = true, move = true }

local on = {} ---@type table<string, fun(run: massgen.Run, event: table)>

function on.run_started(run, event)
  run.folder = event.folder or ''
  run.since = event.time or run.since
  run.prompt = vim.tbl_get(event, 'spec', 'task', 'prompt') or ''
  run.consensus = vim.tbl_get(event, 'spec', 'rules', 'mode') == 'consensus'
  for _, agent in ipairs(vim.tbl_get(event, 'spec', 'agents') or {}) do
    M.seat(run, agent.id)
  end
  for _, check in ipairs(vim.tbl_get(event, 'spec', 'checks') or {}) do
    table.insert(run.checks, check.name)
  end
  M.tell('MassgenRunStarted', {
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
  local seat = M.seat(run, event.seat)
  seat.state, seat.attempt, seat.since = 'working', event.attempt or 1, event.time
  seat.action, seat.files, seat.seconds = '', {}, nil
end

function on.agent_acted(run, event)
  local seat = M.seat(run, event.seat)
  local target = event.target or ''
  seat.state = 'working'
  seat.action = target == '' and event.action or event.action .. ' ' .. target
  if CHANGING[event.action] and target ~= '' then
    seat.files[target] = true
  end
end

function on.attempt_paused(run, event)
  local seat = M.seat(run, event.seat)
  seat.state = 'paused'
  seat.action = ('waits %ds: %s'):format(event.seconds or 0, event.reason or '')
end

function on.attempt_ended(run, event)
  local seat = M.seat(run, event.seat)
  seat.state, seat.action, seat.seconds = event.outcome, event.reason or '', event.seconds
end

function on.usage_reported(run, event)
  M.seat(run, event.seat).spent[event.attempt or 1] = usage_of.read(event.usage)
end

function on.judging_used(run, event)
  local question = table.concat(event.shown or {}, ' ')
  run.judging[('%s %s %s'):format(event.judge, event.epoch, question)] = usage_of.read(event.usage)
end

---@param run massgen.Run
---@param candidate table
---@param files table[]
function M.captured(run, candidate, files)
  local seat = M.seat(run, candidate.seat)
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
  M.captured(run, event.candidate, files)
  M.tell('MassgenCandidate', {
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
  local seat = M.seat(run, event.seat)
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

---@param run massgen.Run
---@param epoch integer
---@param judge string
---@param said 'vote'|'improve'
---@param choice? string
local function word(run, epoch, judge, said, choice)
  local last = run.words[#run.words] or { round = 0, epoch = -1 }
  if run.consensus and epoch >= last.epoch then
    local round = last.round + (epoch > last.epoch and 1 or 0)
    table.insert(run.words, {
      round = round,
      judge = judge,
      said = said,
      choice = choice,
      epoch = epoch,
    })
  end
end

function on.ballot_cast(run, event)
  local ballot = event.ballot
  word(run, ballot.epoch, ballot.judge, 'vote', ballot.choice)
end

function on.refinement_chosen(run, event)
  word(run, event.epoch, event.seat, 'improve', event.onto)
end

function on.run_settled(run, event)
  local verdict = event.verdict or {}
  run.outcome, run.winner = verdict.outcome or 'none', verdict.winner
  run.why = verdict.why or ''
  run.seconds = math.max(0, (event.time or M.now()) - run.since)
  M.tell('MassgenRunSettled', {
    run = run.id,
    outcome = run.outcome,
    winner = run.winner,
    why = run.why,
    candidates = M.ids(run),
    client_id = run.client_id,
  })
end

---@param run massgen.Run
---@param id string
---@param fate 'kept'|'edited'|'undone'
function M.landed(run, id, fate)
  for _, candidate in ipairs(run.candidates) do
    if candidate.id == id then
      candidate.fate = fate
    end
  end
end

function on.revised(run, event)
  M.landed(run, event.candidate, event.fate)
end

function on.delivered(run, event)
  local conflicts = event.conflicts or {}
  M.landed(run, event.candidate, 'kept')
  if #conflicts > 0 then
    conflicts_of.list(run, event)
  end
  M.tell('MassgenApplied', {
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

---Takes what an event says of a run.
---@param run massgen.Run
---@param event table
function M.take(run, event)
  on[event.kind](run, event)
end

---@param kind unknown
---@return boolean  Whether such an event changes anything here
function M.known(kind)
  return on[kind] ~= nil
end

return M
