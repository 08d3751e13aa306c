---A team of coding agents for Neovim: what a configuration calls. See |massgen|.

local M = {}

---@class massgen.Options
---@field enable? boolean  Start the server for every file of a project (`vim.lsp.enable`). Default true.
---@field lsp? vim.lsp.Config  Passed to `vim.lsp.config('massgen', …)`.
---@field progress? boolean  Show what happens on the message line. Default true.
---@field apply? 'ask'|'auto'|'none'  What a winner does when `:Massgen` has no bang. Default 'ask'.

---@class massgen.RunOptions
---@field scope? massgen.Scope  What the task is about; the whole project when absent.
---@field agents? string[]  Names of configured agents; all when absent.
---@field checks? string[]  Names of configured checks; all when absent.
---@field mode? 'best_of_n'|'consensus'
---@field apply? 'ask'|'auto'|'none'
---@field context? { runId: string, seat?: string }  An earlier run that the agents are told of.
---@field attach? string[]  Pictures that the agents are shown: absolute paths.
---@field bufnr? integer  The buffer whose project is meant; the current one when absent.
---@field on_start? fun(run: string)

---@class massgen.Scope
---@field textDocument? lsp.TextDocumentIdentifier
---@field range? lsp.Range
---@field diagnostics? lsp.Diagnostic[]

---Optional. Without it the commands work, and start the server when they are first used.
---@param opts? massgen.Options
function M.setup(opts)
  opts = opts or {}
  vim.validate('opts.enable', opts.enable, 'boolean', true)
  vim.validate('opts.lsp', opts.lsp, 'table', true)
  vim.validate('opts.progress', opts.progress, 'boolean', true)
  vim.validate('opts.apply', opts.apply, function(way)
    return way == nil or vim.list_contains({ 'ask', 'auto', 'none' }, way)
  end, "'ask', 'auto' or 'none'")
  local settings = require('massgen.settings')
  if opts.progress ~= nil then
    settings.progress = opts.progress
  end
  settings.apply = opts.apply or settings.apply
  if opts.lsp then
    vim.lsp.config('massgen', opts.lsp)
  end
  if opts.enable ~= false then
    vim.lsp.enable('massgen')
  end
end

---Starts a run. The server is started too when it is not there.
---@param task string
---@param opts? massgen.RunOptions
function M.run(task, opts)
  require('massgen.actions').run(task, opts or {})
end

---Cancels a run; without one the newest that is going on.
---@param run? string
function M.cancel(run)
  require('massgen.actions').cancel(run)
end

---Merges a candidate into the buffers: without one the winner, without a run that of the newest.
---@param run? string
---@param candidate? string
function M.apply(run, candidate)
  require('massgen.actions').apply(run, candidate)
end

---Throws candidates away.
---@param run? string
---@param candidate? string
function M.discard(run, candidate)
  require('massgen.actions').discard(run, candidate)
end

---Opens the report of a run, or the diff of a candidate.
---@param run? string
---@param candidate? string
function M.show(run, candidate)
  require('massgen.actions').show(run, candidate)
end

---Opens the panel of a run; without one that of the newest. Again: goes there, then closes it.
---@param run? string
function M.panel(run)
  require('massgen.actions').panel(run)
end

---Compares a candidate with your files, or with `other`, side by side in a tab page of its own.
---@param run? string
---@param candidate? string
---@param other? string
function M.diff(run, candidate, other)
  require('massgen.diff').show(run, candidate, other)
end

---The next file of the comparison in this tab page; -1: the one before it.
---@param by? integer
function M.diff_step(by)
  require('massgen.diff').step(by or 1)
end

---Lists the hunks of a candidate in the quickfix list.
---@param run? string
---@param candidate? string
function M.hunks(run, candidate)
  require('massgen.hunks').show(run, candidate)
end

---Applies the hunk of the current quickfix entry, or those of lines of the quickfix window.
---@param range? [integer, integer]
function M.accept(range)
  require('massgen.hunks').accept(range)
end

---Says something to an agent at work. What is not given is asked for.
---@param seat? string
---@param text? string
---@param run? string
function M.note(seat, text, run)
  require('massgen.agents').note(run, seat, text)
end

---Stops an agent where it is; what it has done counts.
---@param seat? string
---@param run? string
function M.stop(seat, run)
  require('massgen.agents').stop(run, seat)
end

---Shows what an agent said and did.
---@param run? string
---@param seat? string
function M.log(run, seat)
  require('massgen.agents').log(run, seat)
end

---For a status line: what is going on, and nothing when nothing is.
---@return string
function M.status()
  -- A status line is drawn all the time: nothing is loaded for a session that never used us.
  local runs = package.loaded['massgen.runs']
  return runs and runs.status() or ''
end

return M
