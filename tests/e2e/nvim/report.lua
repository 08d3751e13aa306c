-- Tells the test what happens, as it happens; read before anything else of the configuration.

local function tell(name, argument)
  vim.rpcnotify(1, name, argument)
end

for _, name in ipairs({
  'MassgenRunStarted',
  'MassgenCandidate',
  'MassgenRunSettled',
  'MassgenApplied',
}) do
  vim.api.nvim_create_autocmd('User', {
    pattern = name,
    callback = function(args)
      tell(name, args.data)
    end,
  })
end

if vim.fn.exists('##LspProgress') == 1 then
  vim.api.nvim_create_autocmd('LspProgress', {
    callback = function(args)
      local params = args.data.params
      tell('progress', vim.tbl_extend('force', params.value, { token = params.token }))
    end,
  })
end

-- For a session without the plug-in, which has a handler of its own for these.
vim.lsp.handlers['massgen/event'] = function(_, params)
  tell('event', { kind = params.kind, run = params.run, reason = params.reason })
end

vim.notify = function(text, level)
  tell('notify', { text = text, level = level })
end

-- Questions are answered by the test: `_G.pick(shown, opts)` names an item, nil leaves it open.
vim.ui.select = function(items, opts, on_choice)
  local shown = vim.tbl_map(opts.format_item or tostring, items)
  tell('select', { kind = opts.kind, prompt = opts.prompt, items = shown })
  local wanted = _G.pick and _G.pick(shown, opts)
  for i, text in ipairs(shown) do
    if text == wanted then
      return on_choice(items[i], i)
    end
  end
  if wanted ~= nil then
    on_choice(nil, nil)
  end
end
vim.ui.input = function(opts, on_confirm)
  tell('input', { prompt = opts.prompt })
  on_confirm(_G.reply)
end
