---The Ex commands: their arguments and their completion.

local actions = require('massgen.actions')

local M = {}

---How long completion waits for the server's list, in milliseconds.
local PATIENCE = 500

function M.run(args)
  actions.run(args.args, {
    lines = args.range > 0 and { args.line1, args.line2 } or nil,
    apply = args.bang and 'auto' or nil,
  })
end

function M.cancel(args)
  if args.bang then
    actions.cancel_all()
  else
    actions.cancel(args.fargs[1])
  end
end

---@param act fun(run?: string, candidate?: string)
local function on_candidate(act)
  return function(args)
    if #args.fargs > 2 then
      require('massgen.say').error(('%s takes a run and a candidate'):format(args.name))
      return
    end
    act(args.fargs[1], args.fargs[2])
  end
end

M.apply = on_candidate(actions.apply)
M.show = on_candidate(actions.show)
M.discard = on_candidate(actions.discard)

function M.runs()
  actions.pick()
end

---@return table[]  What `massgen/list` says, the newest first
local function records()
  local client = require('massgen.client').find(vim.api.nvim_get_current_buf())
  local answer = client and client:request_sync('massgen/list', vim.empty_dict(), PATIENCE)
  return answer and answer.result and answer.result.runs or {}
end

---@param verb string
---@param lead string
---@param line string
---@param at integer
---@return string[]
function M.complete(verb, lead, line, at)
  local before = vim.split(vim.trim(line:sub(1, at - #lead)), '%s+')
  local found = {} ---@type string[]
  for _, record in ipairs(records()) do
    if #before == 1 then
      if verb ~= 'cancel' or record.outcome == 'running' then
        table.insert(found, record.run)
      end
    elseif #before == 2 and verb ~= 'cancel' and record.run == before[2] then
      found = record.candidates
    end
  end
  return vim.tbl_filter(function(word)
    return vim.startswith(word, lead)
  end, found)
end

return M
