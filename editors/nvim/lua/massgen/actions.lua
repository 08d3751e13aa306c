---What the commands and the Lua functions do.

local client_of = require('massgen.client')
local runs = require('massgen.runs')
local say = require('massgen.say')
local words = require('massgen.words')

local M = {}

local NO_RUNS = 'there are no runs yet: `:Massgen {task}` starts one'

---@param bufnr? integer
local function resolve_buffer(bufnr)
  return (bufnr == nil or bufnr == 0) and vim.api.nvim_get_current_buf() or bufnr
end

local starting = 0 ---@type integer  Runs that were asked for and have no id yet
local waiting = {} ---@type fun()[]  What is to be done as soon as they have

local function settle()
  starting = starting - 1
  local callbacks = waiting
  waiting = {}
  for _, callback in ipairs(callbacks) do
    callback()
  end
end

---@param client vim.lsp.Client
---@param params table  Of `massgen/run`
---@param on_start? fun(run: string)
local function start(client, params, on_start)
  client_of.request(client, 'run', params, function(result)
    if on_start then
      on_start(result.runId)
    end
  end, settle)
end

---Asks for the task when there is none; calls nothing back when the user thinks better of it.
---@param task? string
---@param callback fun(task: string)
local function with_task(task, callback)
  if task and vim.trim(task) ~= '' then
    callback(vim.trim(task))
    return
  end
  vim.ui.input({ prompt = 'Task for the agents: ' }, function(answer)
    if answer and vim.trim(answer) ~= '' then
      callback(vim.trim(answer))
    end
  end)
end

---@param task? string
---@param opts massgen.RunOptions | { lines?: [integer, integer] }  `lines`: 1-based, inclusive
function M.run(task, opts)
  local bufnr = resolve_buffer(opts.bufnr)
  -- The text and the range are those of now, not of when the prompt is answered.
  with_task(task, function(wish)
    starting = starting + 1
    client_of.with(bufnr, function(client)
      local scope = opts.scope
      if not scope and opts.lines then
        scope = M.scope_of(bufnr, opts.lines, client.offset_encoding)
      end
      start(client, {
        prompt = wish,
        scope = scope,
        agents = opts.agents,
        checks = opts.checks,
        mode = opts.mode,
        context = opts.context,
        attachments = opts.attach and vim.tbl_map(function(file)
          return { uri = vim.uri_from_fname(file) }
        end, opts.attach),
        apply = opts.apply or require('massgen.settings').apply,
      }, opts.on_start)
    end, settle)
  end)
end

---Lines of a buffer as the scope of a task.
---@param bufnr integer
---@param lines [integer, integer]
---@param encoding string
---@return massgen.Scope
function M.scope_of(bufnr, lines, encoding)
  local scope = { textDocument = { uri = vim.uri_from_bufnr(bufnr) } }
  local first, last = lines[1], math.min(lines[2], vim.api.nvim_buf_line_count(bufnr))
  if first == 1 and last == vim.api.nvim_buf_line_count(bufnr) then
    return scope -- the whole file
  end
  local text = vim.api.nvim_buf_get_lines(bufnr, last - 1, last, false)[1] or ''
  scope.range = {
    start = { line = first - 1, character = 0 },
    ['end'] = { line = last - 1, character = vim.str_utfindex(text, encoding, #text, false) },
  }
  return scope
end

---The command of a code action. One without a prompt asks for it first.
---@param command lsp.Command
---@param ctx { client_id: integer }
function M.run_command(command, ctx)
  local client = vim.lsp.get_client_by_id(ctx.client_id)
  if not client then
    return
  end
  local params = vim.deepcopy((command.arguments or {})[1] or {})
  with_task(params.prompt, function(wish)
    params.prompt = wish
    starting = starting + 1
    start(client, params)
  end)
end

---The command of a code action that shows what a candidate changes.
---@param command lsp.Command
---@param ctx { client_id: integer }
function M.compare_command(command, ctx)
  local params = (command.arguments or {})[1] or {}
  if vim.lsp.get_client_by_id(ctx.client_id) and params.runId then
    require('massgen.diff').show(params.runId, params.candidateId)
  end
end

-- ── which run ────────────────────────────────────────────────────────────────────────────────

---@param run? string
---@param going_on boolean
---@return string?, vim.lsp.Client?
local function known_run(run, going_on)
  if not run then
    local newest = runs.newest(going_on)[1]
    run = newest and newest.id
  end
  local entry = run and runs.get(run)
  local client = entry and vim.lsp.get_client_by_id(entry.client_id)
  return run, client and not client:is_stopped() and client or nil
end

---Calls back with a run's id and the server that knows it.
---@param run? string  The newest when absent
---@param callback fun(client: vim.lsp.Client, run: string)
function M.with_run(run, callback)
  if not run and starting > 0 then
    table.insert(waiting, function()
      M.with_run(run, callback)
    end)
    return
  end
  local id, client = known_run(run, false)
  if id and client then
    callback(client, id)
    return
  end
  client_of.with(resolve_buffer(), function(started)
    if id then
      callback(started, id)
      return
    end
    client_of.request(started, 'list', { limit = 1 }, function(result)
      local newest = result.runs[1]
      if newest then
        callback(started, newest.run)
      else
        say.info(NO_RUNS)
      end
    end)
  end)
end

---Calls back with what is known of a run: from its events, or else from the server.
---@param run? string
---@param callback fun(run: massgen.Run)
function M.with_known(run, callback)
  M.with_run(run, function(client, id)
    local entry = runs.get(id)
    if entry and #entry.order > 0 then
      callback(entry)
      return
    end
    client_of.request(client, 'read', { runId = id, format = 'outline' }, function(record)
      callback(runs.learn(record, client.id))
    end)
  end)
end

-- ── cancelling ───────────────────────────────────────────────────────────────────────────────

---@param run? string
function M.cancel(run)
  local id, client = known_run(run, true)
  if not id then
    say.info('nothing is going on')
    return
  end
  local function ask(server)
    client_of.request(server, 'cancel', { runId = id }, function(result)
      if not result.cancelled then
        say.info(('run %s is over already'):format(id))
      end
    end)
  end
  if client then
    ask(client)
  else
    client_of.with(resolve_buffer(), ask)
  end
end

---Cancels everything that this session started.
function M.cancel_all()
  local going_on = runs.newest(true)
  if #going_on == 0 then
    say.info('nothing is going on')
  end
  for _, run in ipairs(going_on) do
    M.cancel(run.id)
  end
end

-- ── applying ─────────────────────────────────────────────────────────────────────────────────

---@param client vim.lsp.Client
---@param params table  Of `massgen/apply`
---@param done? fun()  Called when the server has answered
function M.send_apply(client, params, done)
  client_of.request(client, 'apply', params, function(result)
    if done then
      done()
    end
    local conflicts = #(result.conflicts or {})
    local paths = result.paths or {}
    if result.applied and #paths == 0 and conflicts == 0 then
      say.info('your files have these changes already')
    elseif result.applied and #paths > 0 then
      local files = words.counted(#paths, 'file')
      say.info(('%s changed; `u` takes it back in each buffer'):format(files))
    elseif not result.applied and conflicts == 0 then
      say.error('not applied: ' .. (result.reason or 'the edit was refused'))
    end
    local held, count = vim.tbl_keys(result.held or {}), 0
    if #held == 0 then
      return
    end
    table.sort(held)
    for _, hunks in pairs(result.held) do
      count = count + #hunks
    end
    vim.ui.select({ 'Apply the rest', 'Leave as it is' }, {
      kind = 'massgen',
      prompt = ('%s in %s would fit beside your own, the conflicts would not.'):format(
        words.counted(count, 'change'),
        table.concat(held, ', ')
      ),
    }, function(_, choice)
      if choice == 1 then
        M.send_apply(client, {
          runId = params.runId,
          candidateId = result.candidate,
          paths = held,
          partial = true,
        })
      end
    end)
  end)
end

---@param run? string
---@param candidate? string
function M.apply(run, candidate)
  M.with_run(run, function(client, id)
    M.send_apply(client, { runId = id, candidateId = candidate })
  end)
end

---@param run? string
---@param candidate? string
function M.discard(run, candidate)
  M.with_run(run, function(client, id)
    client_of.request(client, 'discard', { runId = id, candidateId = candidate }, function()
      say.info(('discarded %s of run %s'):format(candidate or 'the candidates', id))
    end)
  end)
end

-- ── looking ──────────────────────────────────────────────────────────────────────────────────

---@param run? string
---@param candidate? string
function M.show(run, candidate)
  M.with_run(run, function(client, id)
    require('massgen.documents').open(client, id, candidate)
  end)
end

---@param run? string
function M.panel(run)
  local panel = require('massgen.panel')
  local current = panel.current()
  if not run and current then
    panel.toggle(current)
    return
  end
  M.with_known(run, panel.toggle)
end

---Lets the user pick a run, then shows it.
function M.pick()
  client_of.with(resolve_buffer(), function(client)
    client_of.request(client, 'list', vim.empty_dict(), function(result)
      if #result.runs == 0 then
        say.info(NO_RUNS)
        return
      end
      vim.ui.select(result.runs, {
        kind = 'massgen',
        prompt = 'Runs',
        format_item = function(record)
          local task = words.cut(words.flat(record.prompt), 60)
          return ('%s  %-9s %s'):format(record.run, record.outcome, task)
        end,
      }, function(record)
        if record then
          require('massgen.documents').open(client, record.run)
        end
      end)
    end)
  end)
end

---Lets the user pick a candidate of a run that has no winner.
---@param record table  Of `massgen/read`
---@param callback fun(candidate: string)
function M.pick_candidate(record, callback)
  if #(record.candidates or {}) == 0 then
    say.info(('run %s has no candidate'):format(record.run))
    return
  end
  vim.ui.select(record.candidates, {
    kind = 'massgen',
    prompt = 'Candidates',
    format_item = function(candidate)
      local files = words.counted(#(candidate.files or {}), 'file')
      return ('%s  %s  %s'):format(candidate.id, files, words.flat(candidate.summary or ''))
    end,
  }, function(candidate)
    if candidate then
      callback(candidate.id)
    end
  end)
end

return M
