---@brief
---
--- massgen-ls gives the editor a team of coding agents. `vim.lsp.enable('massgen')` starts it for
--- every file of a project; change what you like with `vim.lsp.config('massgen', { … })`.
---
--- Everything here is optional for the server. Without this plug-in a plain
--- `vim.lsp.start({ name = 'massgen', cmd = { 'massgen-ls', 'serve', '--stdio' }, … })` runs too.

local client = require('massgen.client')
client.watch()

---@type vim.lsp.Config
return {
  cmd = { 'massgen-ls', 'serve', '--stdio' },
  -- The nearest of them; no `filetypes`: agents work on any file.
  root_markers = { { '.massgen', 'massgen.yaml', '.git' } },
  workspace_required = true,
  -- A merge into text that the server has not seen is refused and computed anew. Typing is sent
  -- at once, so that this is rare.
  flags = { debounce_text_changes = 0 },
  -- Events as they happen, and code actions whose prompt this plug-in asks for.
  init_options = { events = 'facts', prompts = true },
  -- Neovim has no virtual documents; this plug-in has those of `massgen:`.
  capabilities = { workspace = { textDocumentContent = { dynamicRegistration = false } } },
  handlers = client.handlers(),
  commands = client.commands(),
  on_exit = client.ended,
}
