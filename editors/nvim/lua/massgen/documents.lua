---Read-only buffers: `massgen://<run>` is the report of a run, `massgen://<run>/<candidate>` the
---diff of a candidate, and `massgen://<run>/<candidate>/<path>` a file as the candidate has it.
---With one slash it is a document that the server named.

local M = {}

---@param text string
---@return string[]
local function lines_of(text)
  local lines = vim.split(text, '\n', { plain = true })
  if lines[#lines] == '' then
    table.remove(lines)
  end
  return lines
end

---A fence that no line of the text can close.
---@param text string
local function fence_for(text)
  local longest = 2
  for run in text:gmatch('`+') do
    longest = math.max(longest, #run)
  end
  return ('`'):rep(longest + 1)
end

---@param count integer
---@param one string
local function some(count, one)
  return ('%d %s%s'):format(count, one, count == 1 and '' or 's')
end

---@param out string[]
---@param candidate table
---@param verdict table
local function add_candidate(out, candidate, verdict)
  local marks = {} ---@type string[]
  if candidate.id == verdict.winner then
    table.insert(marks, 'winner')
  end
  if candidate.discarded then
    table.insert(marks, 'discarded')
  end
  local mark = #marks > 0 and (' (%s)'):format(table.concat(marks, ', ')) or ''
  vim.list_extend(out, { '', ('## %s%s'):format(candidate.id, mark), '' })
  if (candidate.summary or '') ~= '' then
    vim.list_extend(out, lines_of(candidate.summary))
    table.insert(out, '')
  end
  for _, file in ipairs(candidate.files or {}) do
    local from = file.oldPath and file.oldPath ~= file.path and (' from `%s`'):format(file.oldPath)
    table.insert(
      out,
      ('- `%s`%s: %s, +%d −%d'):format(
        file.path:gsub('\n', '␊'),
        from or '',
        file.kind,
        file.added or 0,
        file.removed or 0
      )
    )
  end
  for _, check in ipairs(candidate.checks or {}) do
    local words = { (check.outcome:gsub('_', ' ')) }
    if #(check.new_failures or {}) > 0 then
      table.insert(words, 'breaks ' .. table.concat(check.new_failures, ', '))
    end
    if #(check.fixed or {}) > 0 then
      table.insert(words, 'mends ' .. table.concat(check.fixed, ', '))
    end
    if (check.note or '') ~= '' then
      table.insert(words, check.note)
    end
    local text = table.concat(words, '; '):gsub('%s+', ' ')
    table.insert(out, ('- check `%s`: %s'):format(check.check, text))
  end
  if type(candidate.diff) == 'string' and candidate.diff ~= '' then
    local fence = fence_for(candidate.diff)
    vim.list_extend(out, { '', fence .. 'diff' })
    vim.list_extend(out, lines_of(candidate.diff))
    table.insert(out, fence)
  end
end

---The report of a run, as Markdown.
---@param run table  What `massgen/read` says
---@return string[]
function M.report(run)
  local verdict = run.verdict or {}
  local task = run.task and run.task.prompt or ''
  local out = { '# ' .. (lines_of(task)[1] or run.run), '' }
  if #lines_of(task) > 1 then
    vim.list_extend(out, vim.list_slice(lines_of(task), 2))
    table.insert(out, '')
  end
  table.insert(out, ('Run %s: **%s**'):format(run.run, verdict.outcome or 'running'))
  if (verdict.why or '') ~= '' then
    table.insert(out, '')
    vim.list_extend(out, lines_of(verdict.why))
  end
  local notices = run.notices or {}
  if #notices > 0 then
    table.insert(out, '')
    for _, notice in ipairs(notices) do
      table.insert(out, '- ' .. notice:gsub('%s+', ' '))
    end
  end
  local seats = {} ---@type string[]
  for _, seat in ipairs(run.seats or {}) do
    local state = (seat.outcome or seat.phase or ''):gsub('_', ' ')
    local reason = (seat.reason or '') ~= '' and ': ' .. seat.reason:gsub('%s+', ' ') or ''
    table.insert(seats, ('- %s: %s%s'):format(seat.seat, state, reason))
  end
  if #seats > 0 then
    vim.list_extend(out, { '', '## Agents', '' })
    vim.list_extend(out, seats)
  end
  local candidates = run.candidates or {}
  if #candidates == 0 then
    vim.list_extend(out, { '', 'No candidate.' })
  end
  for _, candidate in ipairs(candidates) do
    add_candidate(out, candidate, verdict)
  end
  if #candidates > 0 then
    local hint = ('`:MassgenApply %s {candidate}` merges one into your buffers.'):format(run.run)
    vim.list_extend(out, { '', some(#candidates, 'candidate') .. '. ' .. hint })
  end
  return out
end

---@param bufnr integer
---@param lines string[]
---@param filetype? string
local function fill(bufnr, lines, filetype)
  if not vim.api.nvim_buf_is_valid(bufnr) then
    return
  end
  local whole = {} ---@type string[]
  for _, line in ipairs(lines) do
    vim.list_extend(whole, vim.split(line, '\n', { plain = true }))
  end
  vim.bo[bufnr].modifiable = true
  vim.api.nvim_buf_set_lines(bufnr, 0, -1, false, whole)
  vim.bo[bufnr].modifiable = false
  vim.bo[bufnr].modified = false
  if filetype and vim.bo[bufnr].filetype ~= filetype then
    vim.bo[bufnr].filetype = filetype
  end
end

---@param name string
---@return string? run, string? candidate, string? path
local function parts_of(name)
  local rest = name:match('massgen:/+(.*)$')
  if not rest then
    return nil
  end
  local run, candidate, path = rest:match('^([^/]+)/?([^/]*)/?(.*)$')
  return run, candidate ~= '' and candidate or nil, path ~= '' and path or nil
end

---@param client vim.lsp.Client
---@param bufnr integer
---@param uri string
function M.read_content(client, bufnr, uri)
  client:request('workspace/textDocumentContent', { uri = uri }, function(err, result)
    if err then
      fill(bufnr, { err.message })
    else
      local filetype = vim.filetype.match({ filename = vim.uri_decode(uri) })
      fill(bufnr, lines_of(result.text), filetype)
    end
  end)
end

---Handles BufReadCmd.
---@param bufnr integer
---@param name string
function M.read(bufnr, name)
  local bo = vim.bo[bufnr]
  bo.buftype, bo.swapfile, bo.undofile, bo.bufhidden = 'nofile', false, false, 'hide'
  bo.modifiable = false
  local run, candidate, path = parts_of(name)
  if not run then
    fill(bufnr, { ('%s does not name a run'):format(name) })
    return
  end
  local id = vim.b[bufnr].massgen_client
  local client = id and vim.lsp.get_client_by_id(id)
  local with = require('massgen.client').with
  local function ask(server)
    vim.b[bufnr].massgen_client = server.id
    if not name:match('^massgen://') then
      M.read_content(server, bufnr, name)
      return
    end
    local params = { runId = run, candidateId = candidate, path = path }
    server:request('massgen/read', params, function(err, result)
      if err then
        fill(bufnr, { err.message })
      elseif path then
        fill(bufnr, lines_of(result.text or ''), vim.filetype.match({ filename = path }))
      elseif candidate then
        local found ---@type table?
        for _, each in ipairs(result.candidates or {}) do
          found = each.id == candidate and each or found
        end
        fill(bufnr, lines_of((found or {}).diff or ''), 'diff')
      else
        fill(bufnr, M.report(result), 'markdown')
      end
    end)
  end
  if client and not client:is_stopped() then
    ask(client)
  else
    with(vim.fn.bufnr('#') > 0 and vim.fn.bufnr('#') or bufnr, ask)
  end
end

---Opens, or refreshes, a buffer about a run.
---@param client vim.lsp.Client
---@param run string
---@param candidate? string
function M.open(client, run, candidate)
  local name = 'massgen://' .. run .. (candidate and '/' .. candidate or '')
  local bufnr = vim.fn.bufadd(name)
  vim.b[bufnr].massgen_client = client.id
  vim.bo[bufnr].buflisted = true
  local window = vim.fn.bufwinid(bufnr)
  if window ~= -1 then
    vim.api.nvim_set_current_win(window)
    M.read(bufnr, name)
  elseif vim.api.nvim_buf_is_loaded(bufnr) then
    vim.cmd.sbuffer(bufnr)
    M.read(bufnr, name)
  else
    vim.cmd.sbuffer(bufnr)
  end
end

return M
