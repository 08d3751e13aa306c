---Where a candidate met the user's own changes, as a quickfix list.

local M = {}

---It is made, not opened: the user may be typing.
---@param run massgen.Run
---@param event table  `delivered` or `delivery_refused`
function M.list(run, event)
  local items = vim.tbl_map(function(conflict)
    local live = conflict.live or { 0, 0 }
    local wanted = vim.split(conflict.candidate_text or '', '\n', { plain = true })[1]
    return {
      filename = vim.fs.joinpath(run.root or run.folder, conflict.path),
      lnum = live[1] + 1,
      end_lnum = math.max(live[1] + 1, live[2]),
      type = 'W',
      text = conflict.reason:gsub('_', ' ') .. (wanted ~= '' and ': ' .. wanted or ''),
    }
  end, event.conflicts)
  local count = require('massgen.words').counted(#items, 'conflict')
  local say = require('massgen.say')
  local context = vim.fn.getqflist({ context = 0 }).context
  local hunks = type(context) == 'table' and context.massgen or nil
  if hunks and hunks.run == run.id and hunks.candidate == event.candidate then
    -- The list of hunks that the user is going through says it too.
    say.warn(('%s left as your text has it'):format(count))
    return
  end
  local title = ('massgen: conflicts of %s with your changes'):format(event.candidate)
  vim.fn.setqflist({}, ' ', { title = title, items = items })
  say.warn(('%s left as your text has it; :copen lists them'):format(count))
end

return M
