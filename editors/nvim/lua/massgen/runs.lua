---What this session knows of its runs, from the server's events; the `User` autocommands.

local say = require('massgen.say')

local M = {}

---@class massgen.Run
---@field id string
---@field client_id integer
---@field prompt string
---@field folder string
---@field root? string  Top of the working tree: paths of events are relative to it
---@field seats table<string, string>  Seat → 'working' or how its attempt ended
---@field candidates string[]
---@field started integer  Milliseconds of `vim.uv.now()`
---@field outcome? string  nil while it goes on
---@field winner? string

local known = {} ---@type table<string, massgen.Run>
local order = {} ---@type string[]  Oldest first

local LIMIT = 200 -- runs remembered; the server has them all

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
      candidates = {},
      started = vim.uv.now(),
    }
    table.insert(order, id)
    if #order > LIMIT then
      known[table.remove(order, 1)] = nil
    end
  end
  return known[id]
end

---Conflicts as a quickfix list. It is made, not opened: the user may be typing.
---@param run massgen.Run
---@param event table
local function show_conflicts(run, event)
  local items = vim.tbl_map(function(conflict)
    local live = conflict.live or { 0, 0 }
    local wanted = vim.split(conflict.candidate_text or '', '\n', { plain = true })[1]
    return {
      filename = vim.fs.joinpath(run.root or run.folder, conflict.path),
      lnum = live[1] + 1,
      end_lnum = math.max(live[1] + 1, live[2]),
      type = 'W',
      text = conflict.reason:gsub('_', ' ') .. (wanted ~= '' and ': ' .. wanted or ''),
    }
  end, event.conflicts)
  local title = ('massgen: conflicts of %s with your changes'):format(event.candidate)
  vim.fn.setqflist({}, ' ', { title = title, items = items })
  local count = #items == 1 and '1 conflict' or #items .. ' conflicts'
  say.warn(('%s left as your text has it; :copen lists them'):format(count))
end

local on = {} ---@type table<string, fun(run: massgen.Run, event: table)>

function on.run_started(run, event)
  run.folder = event.folder or ''
  run.prompt = vim.tbl_get(event, 'spec', 'task', 'prompt') or ''
  for _, agent in ipairs(vim.tbl_get(event, 'spec', 'agents') or {}) do
    run.seats[agent.id] = 'waiting'
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
end

function on.attempt_started(run, event)
  run.seats[event.seat] = 'working'
end

function on.attempt_ended(run, event)
  run.seats[event.seat] = event.outcome
end

function on.candidate_captured(run, event)
  table.insert(run.candidates, event.candidate.id)
end

function on.run_settled(run, event)
  local verdict = event.verdict or {}
  run.outcome, run.winner = verdict.outcome or 'none', verdict.winner
  tell('MassgenRunSettled', {
    run = run.id,
    outcome = run.outcome,
    winner = run.winner,
    why = verdict.why or '',
    candidates = vim.list_slice(run.candidates),
    client_id = run.client_id,
  })
end

function on.delivered(run, event)
  local conflicts = event.conflicts or {}
  if #conflicts > 0 then
    show_conflicts(run, event)
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
    show_conflicts(run, event)
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
  pcall(vim.cmd.redrawstatus)
end

---The server of these runs is gone: what was going on is over, as far as this session knows.
---@param client_id integer
function M.lose(client_id)
  for _, id in ipairs(order) do
    local run = known[id]
    if run.client_id == client_id and not run.outcome then
      run.outcome = 'interrupted'
      tell('MassgenRunSettled', {
        run = id,
        outcome = 'interrupted',
        why = 'The server ended. Its candidates are kept: :MassgenRuns lists them.',
        candidates = vim.list_slice(run.candidates),
        client_id = client_id,
      })
    end
  end
  pcall(vim.cmd.redrawstatus)
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

---@return string
function M.status()
  local going_on = M.newest(true)
  if #going_on == 0 then
    return ''
  end
  local ended, all = 0, 0
  for _, run in ipairs(going_on) do
    for _, state in pairs(run.seats) do
      all = all + 1
      ended = ended + ((state == 'working' or state == 'waiting') and 0 or 1)
    end
  end
  local oldest = going_on[#going_on].started
  local seconds = math.floor((vim.uv.now() - oldest) / 1000)
  local runs = #going_on > 1 and (' %d runs'):format(#going_on) or ''
  return ('massgen%s %d/%d %ds'):format(runs, ended, all, seconds)
end

return M
