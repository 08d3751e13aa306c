---What this session knows of its runs.

local facts = require('massgen.facts')
local usage_of = require('massgen.usage')

local M = {}

M.now, M.ids = facts.now, facts.ids

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
---@field consensus? boolean
---@field words massgen.Word[]  What agents said in rounds of consensus
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
local SECOND = 1000 -- milliseconds
local BEAT = 100 -- milliseconds: so often, at most, somebody is told of news

---All of them: a floating window, which may be the current one, has none.
local function redraw()
  pcall(vim.cmd, 'redrawstatus!')
end

local function wake()
  waking = false
  for listener in pairs(listeners) do
    listener()
  end
  redraw()
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
      words = {},
      since = facts.now(),
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
---@return massgen.Usage  All that a run has spent
function M.spent(run)
  local all = { usage_of.sum(run.judging) }
  for _, seat in pairs(run.seats) do
    table.insert(all, usage_of.sum(seat.spent))
  end
  return usage_of.sum(all)
end

---Takes one `massgen/event`. Kinds that are not known here change nothing.
---@param event table
---@param client_id integer
function M.hear(event, client_id)
  if type(event) ~= 'table' or type(event.run) ~= 'string' or not facts.known(event.kind) then
    return
  end
  facts.take(entry(event.run, client_id), event)
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
  run.words = vim.tbl_get(record, 'explanation', 'rounds') or {}
  run.candidates = {}
  for _, each in ipairs(record.seats or {}) do
    local seat = facts.seat(run, each.seat)
    seat.state = each.phase == 'ended' and each.outcome or each.phase
    seat.attempt = each.attempt or 0
    seat.action = each.phase == 'ended' and each.reason or each.action or ''
    seat.seconds = each.phase == 'ended' and each.seconds or nil
    seat.spent = { usage_of.read(each.usage) }
  end
  run.judging = { usage_of.read(record.judging) }
  for _, candidate in ipairs(record.candidates or {}) do
    facts.captured(run, candidate, candidate.files or {})
    for _, evidence in ipairs(candidate.checks or {}) do
      run.checked[candidate.tree] = run.checked[candidate.tree] or {}
      run.checked[candidate.tree][evidence.check] = {
        outcome = evidence.outcome,
        failures = evidence.new_failures or {},
      }
    end
  end
  for _, delivery in ipairs(record.deliveries or {}) do
    local fate = (record.fates or {})[delivery.candidate]
    facts.landed(run, delivery.candidate, fate or 'kept')
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
      run.outcome, run.seconds = 'interrupted', facts.now() - run.since
      run.why = 'The server ended. Its candidates are kept: `:Massgen runs` lists them.'
      for _, seat in pairs(run.seats) do
        if seat.state == 'working' or seat.state == 'waiting' or seat.state == 'paused' then
          seat.seconds = seat.since and facts.now() - seat.since
          seat.state, seat.action = 'interrupted', ''
        end
      end
      facts.tell('MassgenRunSettled', {
        run = id,
        outcome = 'interrupted',
        why = run.why,
        candidates = facts.ids(run),
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

local clock ---@type uv.uv_timer_t?

---For a status line; whoever draws it has it drawn again a second later, for the time in it.
---@return string
function M.status()
  local going_on = M.newest(true)
  if #going_on == 0 then
    return ''
  end
  if not clock or not clock:is_active() then
    clock = vim.defer_fn(redraw, SECOND)
  end
  local words = require('massgen.words')
  local ended, all, cost = 0, 0, 0
  for _, run in ipairs(going_on) do
    local a, b = M.progress(run)
    ended, all, cost = ended + a, all + b, cost + (M.spent(run).cost or 0)
  end
  local count = #going_on > 1 and (' %d runs'):format(#going_on) or ''
  local spent = cost > 0 and ' ' .. words.money(cost) or ''
  local time = words.elapsed(facts.now() - going_on[#going_on].since)
  return ('massgen%s %d/%d%s %s'):format(count, ended, all, spent, time)
end

return M
