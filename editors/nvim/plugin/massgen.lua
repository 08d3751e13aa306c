-- Defines the command and the `<Plug>` mappings. Nothing is loaded or started until one is used.

if vim.g.loaded_massgen then
  return
end
vim.g.loaded_massgen = true

if vim.fn.has('nvim-0.11') == 0 then
  vim.api.nvim_create_user_command('Massgen', function()
    vim.notify(
      'massgen: this plug-in needs Neovim 0.11 or newer. Older ones use the server as a plain '
        .. 'LSP client, without this command: see "Without the plug-in" in its README.',
      vim.log.levels.ERROR
    )
  end, { nargs = '*', range = true, bang = true, desc = 'Needs Neovim 0.11' })
  return
end

vim.api.nvim_create_user_command('Massgen', function(args)
  require('massgen.commands').run(args)
end, {
  nargs = '*',
  range = true,
  bang = true,
  complete = function(lead, line, at)
    return require('massgen.complete').complete(lead, line, at)
  end,
  desc = 'Let a team of agents work on a task; or show, apply, diff, cancel … what they did',
})

---@param name string
---@param modes string|string[]
---@param command string
---@param desc string
local function plug(name, modes, command, desc)
  vim.keymap.set(
    modes,
    ('<Plug>(massgen-%s)'):format(name),
    command,
    { desc = 'massgen: ' .. desc }
  )
end

plug('run', 'n', '<Cmd>Massgen<CR>', 'ask for a task')
plug('run', 'x', ':Massgen<CR>', 'ask for a task about the selection')
plug('panel', 'n', '<Cmd>Massgen panel<CR>', 'the panel of the newest run')
plug('show', 'n', '<Cmd>Massgen show<CR>', 'the report of the newest run')
plug('diff', 'n', '<Cmd>Massgen diff<CR>', 'the winner beside your files')
plug('diff-next', 'n', '<Cmd>Massgen diff next<CR>', 'the next file of the comparison')
plug('diff-prev', 'n', '<Cmd>Massgen diff prev<CR>', 'the previous file of the comparison')
plug('hunks', 'n', '<Cmd>Massgen hunks<CR>', "the winner's hunks in the quickfix list")
plug('accept', 'n', '<Cmd>Massgen accept<CR>', 'apply the current hunk')
plug('accept', 'x', ':Massgen accept<CR>', 'apply the selected hunks of the quickfix window')
plug('apply', 'n', '<Cmd>Massgen apply<CR>', 'apply the winner')
plug('cancel', 'n', '<Cmd>Massgen cancel<CR>', 'cancel the newest run')

-- `massgen:` buffers: what the server opens with window/showDocument, and what the command names.
vim.api.nvim_create_autocmd('BufReadCmd', {
  group = vim.api.nvim_create_augroup('massgen.documents', {}),
  pattern = 'massgen:/*',
  desc = 'Read a candidate, or a report, from massgen-ls',
  callback = function(args)
    require('massgen.documents').read(args.buf, args.match)
  end,
})
