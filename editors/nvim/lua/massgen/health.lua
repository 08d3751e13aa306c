---`:checkhealth massgen`

local words = require('massgen.words')

local M = {}

---Milliseconds: `massgen-ls doctor` looks at every agent program of the machine.
local PATIENCE = 30000

---@return string?
local function project()
  local config = vim.lsp.config['massgen'] or {}
  local markers = config.root_markers or { '.git' }
  return vim.fs.root(0, markers) or vim.fs.root(assert(vim.uv.cwd()), markers)
end

---@param cmd string[]
---@return string? out, string? failure
local function run(cmd)
  local options = { text = true, timeout = PATIENCE, cwd = project() }
  local started, process = pcall(vim.system, cmd, options)
  if not started then
    return nil, tostring(process)
  end
  local done = process:wait()
  if done.code ~= 0 then
    local said = vim.trim(done.stderr ~= '' and done.stderr or done.stdout or '')
    return nil, ('`%s` ended with %d: %s'):format(table.concat(cmd, ' '), done.code, said)
  end
  return vim.trim(done.stdout), nil
end

---Another subcommand of the program, with the configuration that `serve` is given.
---@param cmd string[]
---@param word string
---@return string[]
local function instead_of_serve(cmd, word)
  local found = {} ---@type string[]
  for _, each in ipairs(cmd) do
    if each ~= '--stdio' then
      table.insert(found, each == 'serve' and word or each)
    end
  end
  return found
end

---Its lines without the blanks at their ends, those that go on joined to the one before them.
---@param text string
---@return string[]
local function points(text)
  local found = {} ---@type string[]
  for padded in vim.gsplit(text, '\n') do
    local line = padded:gsub('%s+$', '')
    if line:match('^%s') and #found > 0 then
      found[#found] = found[#found] .. ' ' .. vim.trim(line)
    elseif line ~= '' then
      table.insert(found, line)
    end
  end
  return found
end

---@param cmd string[]
local function check_program(cmd)
  if vim.fn.executable(cmd[1]) == 0 then
    vim.health.error(('`%s` is not to be found'):format(cmd[1]), {
      'Install massgen-ls, or put it on your PATH',
      "or name it: vim.lsp.config('massgen', { cmd = { '/path/to/massgen-ls', 'serve', '--stdio' } })",
    })
    return
  end
  local program = vim.list_slice(cmd, 1, (vim.fn.index(cmd, 'serve')))
  local version, failure = run(vim.list_extend(program, { '--version' }))
  if failure then
    vim.health.error(failure)
    return
  end
  vim.health.ok(('%s (`%s`)'):format(version, vim.fn.exepath(cmd[1])))
  vim.health.start('massgen: what `massgen-ls doctor` says')
  local said, why = run(instead_of_serve(cmd, 'doctor'))
  for _, point in ipairs(points(said or why or '')) do
    local report = said and vim.health.info or vim.health.warn
    report(point)
  end
end

local function check_project()
  local root = project()
  if root then
    vim.health.ok(('the project is `%s`'):format(root))
  else
    vim.health.warn('this folder is in no git repository', { 'go into one, or `git init`' })
  end
end

local function check_servers()
  local enabled = vim.lsp.is_enabled and vim.lsp.is_enabled('massgen')
  if enabled then
    vim.health.ok('the server starts with the first file of a project')
  else
    vim.health.info(
      "not enabled: the server starts with `:Massgen`; `vim.lsp.enable('massgen')` offers code actions from the start"
    )
  end
  local clients = require('massgen.client').all()
  if #clients == 0 then
    vim.health.info('no server runs at the moment')
  end
  for _, client in ipairs(clients) do
    local buffers = words.counted(vim.tbl_count(client.attached_buffers), 'file')
    local what = 'server %d works in `%s`, with %s open'
    vim.health.ok(what:format(client.id, client.root_dir or '?', buffers))
    if (client.config.init_options or {}).prompts ~= true then
      vim.health.warn("its `init_options` are not the plug-in's: the panel has nothing to show", {
        "use vim.lsp.config('massgen', …) with only what you change",
      })
    end
  end
end

function M.check()
  vim.health.start('massgen')
  if vim.fn.has('nvim-0.11') == 0 then
    vim.health.error('the plug-in needs Neovim 0.11 or newer', {
      'older ones use the server as a plain LSP client: see the README',
    })
    return
  end
  vim.health.ok('Neovim ' .. tostring(vim.version()))
  local found = vim.api.nvim_get_runtime_file('lsp/massgen.lua', true)
  if #found ~= 1 then
    local where = #found == 0 and 'there is none' or table.concat(found, ', ')
    vim.health.warn(('there should be one `lsp/massgen.lua` on the runtimepath: %s'):format(where))
  end
  check_project()
  check_servers()
  local cmd = (vim.lsp.config['massgen'] or {}).cmd
  if type(cmd) == 'table' then
    check_program(cmd)
  else
    vim.health.info('the server is started by a function of yours')
  end
end

return M
