---What can be said to agents, and heard of them.

local client_of = require('massgen.client')
local runs = require('massgen.runs')
local say = require('massgen.say')
local with = require('massgen.actions')

local M = {}

---Calls back with an agent: the named one, the only one, or the one that the user picks.
---@param run massgen.Run
---@param seat? string
---@param working boolean  Only those that are at work
---@param callback fun(seat: string)
local function with_seat(run, seat, working, callback)
  if seat then
    callback(seat)
    return
  end
  local names = vim.tbl_filter(function(name)
    local state = run.seats[name].state
    return not working or state == 'working' or state == 'paused'
  end, run.order)
  if #names == 0 then
    say.info(working and 'no agent is at work' or ('run %s has no agents'):format(run.id))
  elseif #names == 1 then
    callback(names[1])
  else
    vim.ui.select(names, { kind = 'massgen', prompt = 'Agents' }, function(name)
      if name then
        callback(name)
      end
    end)
  end
end

---The run that an agent at work belongs to: the newest that goes on.
---@param run? string
---@param callback fun(run: massgen.Run)
local function with_going_on(run, callback)
  local newest = runs.newest(true)[1]
  if not run and not newest then
    say.info('nothing is going on')
    return
  end
  with.with_known(run or newest.id, callback)
end

---@param run massgen.Run
---@param params table  Of `massgen/tell`
---@param said string
local function tell(run, params, said)
  local client = vim.lsp.get_client_by_id(run.client_id)
  if not client then
    say.error('the server has gone away')
    return
  end
  params.runId = run.id
  client_of.request(client, 'tell', params, function()
    say.info(said)
  end)
end

---Says something to an agent at work.
---@param run? string
---@param seat? string
---@param text? string
function M.note(run, seat, text)
  with_going_on(run, function(entry)
    with_seat(entry, seat, true, function(name)
      local function send(note)
        if note and vim.trim(note) ~= '' then
          tell(entry, { seat = name, text = vim.trim(note) }, ('%s is told'):format(name))
        end
      end
      if text then
        send(text)
      else
        vim.ui.input({ prompt = ('Note for %s: '):format(name) }, send)
      end
    end)
  end)
end

---Stops an agent where it is; what it has done counts.
---@param run? string
---@param seat? string
function M.stop(run, seat)
  with_going_on(run, function(entry)
    with_seat(entry, seat, true, function(name)
      tell(entry, { seat = name, stop = true }, ('%s stops; what it has done counts'):format(name))
    end)
  end)
end

---Stops every agent of the newest run that goes on: it is decided with what there is.
function M.stop_all()
  with_going_on(nil, function(entry)
    for _, name in ipairs(entry.order) do
      local state = entry.seats[name].state
      if state == 'working' or state == 'paused' then
        M.stop(entry.id, name)
      end
    end
  end)
end

---What an agent said and did.
---@param run? string
---@param seat? string
function M.log(run, seat)
  with.with_known(run, function(entry)
    with_seat(entry, seat, false, function(name)
      with.with_run(entry.id, function(client, id)
        require('massgen.documents').open(client, id, 'log/' .. name)
      end)
    end)
  end)
end

return M
