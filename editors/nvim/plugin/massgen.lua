-- Defines the commands. Nothing is loaded or started until one is used.

if vim.g.loaded_massgen then
  return
end
vim.g.loaded_massgen = true

if vim.fn.has('nvim-0.11') == 0 then
  vim.api.nvim_create_user_command('Massgen', function()
    vim.notify(
      'massgen: this plug-in needs Neovim 0.11; older ones use the server as a plain LSP client',
      vim.log.levels.ERROR
    )
  end, { nargs = '*', range = true, bang = true, desc = 'Needs Neovim 0.11' })
  return
end

---@param name string
---@param verb string
---@param opts vim.api.keyset.user_command
local function define(name, verb, opts)
  opts.complete = opts.complete
    and function(lead, line, at)
      return require('massgen.commands').complete(verb, lead, line, at)
    end
  vim.api.nvim_create_user_command(name, function(args)
    require('massgen.commands')[verb](args)
  end, opts)
end

define('Massgen', 'run', {
  nargs = '*',
  range = true,
  bang = true,
  desc = 'Let a team of agents work on a task; a range is its scope, ! applies without asking',
})
define('MassgenCancel', 'cancel', {
  nargs = '?',
  bang = true,
  complete = true,
  desc = 'Cancel a run (the newest that is going on; ! cancels all)',
})
define('MassgenApply', 'apply', {
  nargs = '*',
  complete = true,
  desc = 'Merge the winner, or another candidate, of a run into the buffers',
})
define('MassgenShow', 'show', {
  nargs = '*',
  complete = true,
  desc = 'Show what a run came to, or the diff of one candidate',
})
define('MassgenDiscard', 'discard', {
  nargs = '*',
  complete = true,
  desc = 'Throw away the candidates of a run, or one of them',
})
define('MassgenRuns', 'runs', { nargs = 0, desc = 'List the runs of this project and pick one' })

-- `massgen:` buffers: what the server opens with window/showDocument, and what :MassgenShow names.
vim.api.nvim_create_autocmd('BufReadCmd', {
  group = vim.api.nvim_create_augroup('massgen.documents', {}),
  pattern = 'massgen:/*',
  desc = 'Read a candidate, or a report, from massgen-ls',
  callback = function(args)
    require('massgen.documents').read(args.buf, args.match)
  end,
})
