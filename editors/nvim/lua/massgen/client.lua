---Finds the server, starts it when it is not there, and says how this plug-in talks to it.

local say = require('massgen.say')

local M = {}

---How long the server may take to start, in milliseconds.
local PATIENCE = 30000

---Whether a client is massgen-ls, whatever its user calls it.
---@param client vim.lsp.Client
---@return boolean
function M.is_ours(client)
  local offered =
    vim.tbl_get(client.server_capabilities or {}, 'executeCommandProvider', 'commands')
  return type(offered) == 'table' and vim.list_contains(offered, 'massgen.run')
end

---Every massgen-ls that runs.
---@return vim.lsp.Client[]
function M.all()
  return vim.tbl_filter(function(client)
    return M.is_ours(client) and not client:is_stopped()
  end, vim.lsp.get_clients())
end

---@param name string
---@param client vim.lsp.Client
local function holds(client, name)
  return client.root_dir ~= nil and vim.fs.relpath(client.root_dir, name) ~= nil
end

---A buffer that shows a file, or will.
---@param bufnr integer
---@return string?  Its path
local function file_of(bufnr)
  local name = vim.api.nvim_buf_get_name(bufnr)
  if vim.bo[bufnr].buftype ~= '' or name == '' or name:match('^%a[%w+.-]*:') then
    return nil
  end
  return name
end

---The server for a buffer: one attached to it, or the one whose project it belongs to; for a
---buffer without a file that of the current folder, and then the only one there is.
---@param bufnr integer
---@return vim.lsp.Client?
function M.find(bufnr)
  for _, client in ipairs(vim.lsp.get_clients({ bufnr = bufnr })) do
    if M.is_ours(client) and not client:is_stopped() then
      return client
    end
  end
  local name = file_of(bufnr)
  local clients = M.all()
  for _, client in ipairs(clients) do
    if holds(client, name or assert(vim.uv.cwd())) then
      return client
    end
  end
  return not name and #clients == 1 and clients[1] or nil
end

---One more listener beside those of the user's own configuration.
---@param theirs? function|function[]
---@param ours function
---@return function[]
local function with(theirs, ours)
  local all = type(theirs) == 'table' and vim.list_slice(theirs) or { theirs }
  table.insert(all, ours)
  return all
end

---Calls back with the server for a buffer; starts it first when it is not there. When that cannot
---be done the user is told why, and nothing is called.
---@param bufnr integer
---@param callback fun(client: vim.lsp.Client)
---@param failed? fun()
function M.with(bufnr, callback, failed)
  ---@param why string
  local function fail(why)
    say.error(why)
    if failed then
      failed()
    end
  end
  local running = M.find(bufnr)
  if running then
    callback(running)
    return
  end
  local config = vim.lsp.config['massgen']
  if not config then
    fail('there is no lsp/massgen.lua on the runtimepath: is the plug-in installed whole?')
    return
  end
  config = vim.deepcopy(config)
  local cmd = config.cmd
  if type(cmd) == 'table' and vim.fn.executable(cmd[1]) == 0 then
    fail(
      ('%s is not to be found. Install it, or say where it is: '):format(cmd[1])
        .. "vim.lsp.config('massgen', { cmd = { '/path/to/massgen-ls', 'serve', '--stdio' } })"
    )
    return
  end
  local source = file_of(bufnr) or assert(vim.uv.cwd()) .. '/.'
  if type(config.root_dir) ~= 'string' then
    config.root_dir = vim.fs.root(source, config.root_markers or { '.git' })
  end
  if not config.root_dir then
    fail(('%s is not in a git repository: go into one, or `git init`'):format(source))
    return
  end
  local waiting = true
  ---@param act fun()
  local function once(act)
    if waiting then
      waiting = false
      vim.schedule(act)
    end
  end
  ---@param client vim.lsp.Client
  local function ready(client)
    once(function()
      -- The server has to know the unsaved text of all buffers first.
      M.attach_all(client)
      callback(client)
    end)
  end
  config.on_init = with(config.on_init, ready)
  config.on_exit = with(config.on_exit, function(code)
    once(function()
      fail(('the server ended at once (%d); :LspLog may say why'):format(code))
    end)
  end)
  local id = vim.lsp.start(config, { bufnr = bufnr, attach = file_of(bufnr) ~= nil })
  -- One that was started a moment ago, by another buffer, knows nothing of these callbacks.
  vim.api.nvim_create_autocmd('LspAttach', {
    desc = 'massgen-ls: something waits for the server',
    callback = function(args)
      if waiting and args.data.client_id == id then
        ready(assert(vim.lsp.get_client_by_id(id)))
      end
      return not waiting
    end,
  })
  vim.defer_fn(function()
    once(function()
      fail('the server does not answer; :LspLog may say why')
    end)
  end, PATIENCE)
end

---Sends `massgen/<verb>`; what goes wrong is told to the user.
---@param client vim.lsp.Client
---@param verb string
---@param params table
---@param callback? fun(result: any)
---@param always? fun()  Called behind it, also when it went wrong
function M.request(client, verb, params, callback, always)
  local sent = client:request('massgen/' .. verb, params, function(err, result)
    if err then
      say.error(err.message)
    elseif callback then
      callback(result)
    end
    if always then
      always()
    end
  end)
  if not sent then
    say.error('the server has gone away; try again, which starts it')
    if always then
      always()
    end
  end
end

---Lets the server know every loaded file of its project, also those without a filetype: agents
---start from what is on the screen.
---@param client vim.lsp.Client
function M.attach_all(client)
  for _, bufnr in ipairs(vim.api.nvim_list_bufs()) do
    if vim.api.nvim_buf_is_loaded(bufnr) then
      M.attach(client, bufnr)
    end
  end
end

---@param client vim.lsp.Client
---@param bufnr integer
function M.attach(client, bufnr)
  local name = file_of(bufnr)
  if name and holds(client, name) and not vim.lsp.buf_is_attached(bufnr, client.id) then
    vim.lsp.buf_attach_client(bufnr, client.id)
  end
end

-- ── a server that ends ───────────────────────────────────────────────────────────────────────

---No more restarts than so many within the time, in milliseconds.
local RESTARTS, WITHIN = 3, 180000

local restarts = {} ---@type integer[]  When

---@param root string
---@return integer?  A loaded file below it
local function loaded_file(root)
  for _, bufnr in ipairs(vim.api.nvim_list_bufs()) do
    local name = vim.api.nvim_buf_is_loaded(bufnr) and file_of(bufnr)
    if name and vim.fs.relpath(root, name) then
      return bufnr
    end
  end
end

---Says what became of runs that were going on when their server died.
---@param client vim.lsp.Client
---@param lost string[]
local function report_lost(client, lost)
  local runs, words = require('massgen.runs'), require('massgen.words')
  for _, id in ipairs(lost) do
    M.request(client, 'read', { runId = id, format = 'outline' }, function(record)
      local run = runs.learn(record, client.id)
      local kept = words.counted(#run.candidates, 'candidate')
      local more = #run.candidates > 0 and '; `:Massgen show`' or ''
      say.warn(('the server is back. Run %s: %s kept%s'):format(id, kept, more))
    end)
  end
end

---Handles the end of a server. One that crashed is started again, and its runs are looked at.
---@param code integer
---@param signal integer
---@param client_id integer
function M.ended(code, signal, client_id)
  local client = vim.lsp.get_client_by_id(client_id)
  local root = client and client.root_dir
  vim.schedule(function()
    local lost = require('massgen.runs').lose(client_id)
    if vim.v.exiting ~= vim.NIL or (code == 0 and signal == 0) then
      return
    end
    local how = signal ~= 0 and ('signal %d'):format(signal) or ('code %d'):format(code)
    local now = vim.uv.now()
    restarts = vim.tbl_filter(function(at)
      return now - at < WITHIN
    end, restarts)
    local bufnr = root and loaded_file(root)
    if not client or not client.initialized or not bufnr or #restarts >= RESTARTS then
      say.error(('the server has ended (%s); :LspLog may say why'):format(how))
      return
    end
    table.insert(restarts, now)
    say.error(('the server has ended (%s); it is started again'):format(how))
    M.with(bufnr, function(started)
      report_lost(started, lost)
    end)
  end)
end

---What the server asks and tells, beyond what Neovim answers well enough by itself.
---@return table<string, lsp.Handler>
function M.handlers()
  return {
    ['massgen/event'] = function(_, params, ctx)
      require('massgen.runs').hear(params, ctx.client_id)
    end,
    ['workspace/applyEdit'] = function(_, params, ctx)
      return require('massgen.edits').apply(params, ctx)
    end,
    ['window/showMessageRequest'] = function(_, params)
      return require('massgen.questions').ask(params)
    end,
    ['window/showMessage'] = function(_, params)
      require('massgen.questions').tell(params)
    end,
  }
end

---Commands of code actions that are better asked here than sent at once.
---@return table<string, fun(command: lsp.Command, ctx: table)>
function M.commands()
  return {
    ['massgen.run'] = function(command, ctx)
      require('massgen.actions').run_command(command, ctx)
    end,
    ['massgen.compare'] = function(command, ctx)
      require('massgen.actions').compare_command(command, ctx)
    end,
  }
end

---Follows the servers of this session. Harmless when called twice.
function M.watch()
  local group = vim.api.nvim_create_augroup('massgen', {})
  vim.api.nvim_create_autocmd('LspAttach', {
    group = group,
    desc = 'massgen-ls: the other loaded files of the project',
    callback = function(args)
      local client = vim.lsp.get_client_by_id(args.data.client_id)
      -- Attaching fires this again for each buffer: only the first has to do it.
      if client and M.is_ours(client) and vim.tbl_count(client.attached_buffers) <= 1 then
        vim.schedule(function()
          M.attach_all(client)
        end)
      end
    end,
  })
  vim.api.nvim_create_autocmd({ 'BufReadPost', 'BufNewFile', 'BufFilePost' }, {
    group = group,
    desc = 'massgen-ls: files that have no filetype',
    callback = function(args)
      for _, client in ipairs(M.all()) do
        vim.schedule(function()
          if vim.api.nvim_buf_is_loaded(args.buf) and not client:is_stopped() then
            M.attach(client, args.buf)
          end
        end)
      end
    end,
  })
  vim.api.nvim_create_autocmd('LspProgress', {
    group = group,
    desc = 'massgen-ls: one line that says what happens',
    callback = function(args)
      local client = vim.lsp.get_client_by_id(args.data.client_id)
      if client and M.is_ours(client) then
        require('massgen.progress').show(args.data.params)
      end
    end,
  })
end

return M
