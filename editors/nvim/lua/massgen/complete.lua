---Completion of `:Massgen`.

local commands = require('massgen.commands')

local M = {}

---How long it waits for the server's list, in milliseconds.
local PATIENCE = 500

---@return table[]  What `massgen/list` says, the newest first
local function records()
  local client = require('massgen.client').find(vim.api.nvim_get_current_buf())
  local answer = client and client:request_sync('massgen/list', vim.empty_dict(), PATIENCE)
  return answer and answer.result and answer.result.runs or {}
end

---@param before string[]  Words behind the subcommand
---@param going_on boolean
---@return string[]
local function runs_or_candidates(before, going_on, candidates)
  local found, ids = {}, {} ---@type string[], string[]
  for i, record in ipairs(records()) do
    if #before == 0 and (not going_on or record.outcome == 'running') then
      table.insert(found, record.run)
    end
    local named = before[1] == record.run or (not commands.is_run(before[1]) and i == 1)
    if candidates and named then
      vim.list_extend(ids, record.candidates)
    end
  end
  return vim.list_extend(found, ids)
end

---@param going_on boolean
---@return string[]
local function seats(going_on)
  local found = {} ---@type string[]
  for _, run in ipairs(require('massgen.runs').newest(going_on)) do
    for _, name in ipairs(run.order) do
      if not vim.list_contains(found, name) then
        table.insert(found, name)
      end
    end
  end
  return found
end

---@type table<string, fun(before: string[]): string[]>
local COMPLETIONS = {
  cancel = function(before)
    return #before == 0 and vim.list_extend(runs_or_candidates(before, true, false), { 'all' })
      or {}
  end,
  panel = function(before)
    return runs_or_candidates(before, false, false)
  end,
  diff = function(before)
    local found = runs_or_candidates(before, false, true)
    return #before == 0 and vim.list_extend(found, { 'next', 'prev' }) or found
  end,
  note = function(before)
    return #before == 0 and seats(true) or {}
  end,
  stop = function(before)
    return #before == 0 and vim.list_extend(seats(true), { 'all' }) or {}
  end,
  log = function(before)
    return vim.list_extend(runs_or_candidates(before, false, false), seats(false))
  end,
}
for _, verb in ipairs({ 'show', 'apply', 'discard', 'hunks' }) do
  COMPLETIONS[verb] = function(before)
    return #before <= 1 and runs_or_candidates(before, false, true) or {}
  end
end

---What is configured for the project.
---@return table
local function team()
  local client = require('massgen.client').find(vim.api.nvim_get_current_buf())
  local params = { folder = client and client.root_dir }
  local answer = client and client:request_sync('massgen/team', params, PATIENCE)
  return answer and answer.result or {}
end

---@type table<string, fun(typed: string): string[]>
local VALUES = {
  mode = function()
    return team().modes or {}
  end,
  apply = function()
    return { 'ask', 'auto', 'none' }
  end,
  agents = function()
    return vim.tbl_map(function(agent)
      return agent.id
    end, team().agents or {})
  end,
  checks = function()
    return team().checks or {}
  end,
  context = function()
    return runs_or_candidates({}, false, false)
  end,
  attach = function(typed)
    return vim.fn.getcompletion(typed, 'file')
  end,
}

---@param lead string
---@return string[]
local function options(lead)
  local name, done, typed = lead:match('^(%l+)=(.-)([^,]*)$')
  local values = name and VALUES[name]
  if not values then
    local found = vim.tbl_map(function(each)
      return each .. '='
    end, vim.tbl_keys(commands.OPTIONS))
    table.sort(found)
    return found
  end
  return vim.tbl_map(function(value)
    return ('%s=%s%s'):format(name, done, value)
  end, values(typed))
end

---@param lead string
---@param line string
---@param at integer
---@return string[]
function M.complete(lead, line, at)
  local typed = line:sub(1, at - #lead):match('Massgen!?%s*(.*)$') or ''
  local before = vim.split(typed, '%s+', { trimempty = true })
  local found = {} ---@type string[]
  if #before == 0 then
    found = vim.tbl_keys(commands.SUBCOMMANDS)
    table.insert(found, 'run')
    table.sort(found)
  elseif before[1] == 'run' then
    found = options(lead)
  elseif COMPLETIONS[before[1]] then
    found = COMPLETIONS[before[1]](vim.list_slice(before, 2))
  end
  return vim.tbl_filter(function(word)
    return vim.startswith(word, lead)
  end, found)
end

return M
