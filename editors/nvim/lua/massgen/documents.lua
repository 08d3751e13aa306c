---Read-only buffers: `massgen://<run>` is the report of a run, `massgen://<run>/<candidate>` the
---diff of a candidate, `massgen://<run>/<candidate>/<path>` a file as the candidate has it, and
---`massgen://<run>/log/<agent>` what an agent said and did.
---With one slash it is a document that the server named.

local words = require('massgen.words')

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
    local told = { (check.outcome:gsub('_', ' ')) }
    if #(check.new_failures or {}) > 0 then
      table.insert(told, 'breaks ' .. table.concat(check.new_failures, ', '))
    end
    if #(check.fixed or {}) > 0 then
      table.insert(told, 'mends ' .. table.concat(check.fixed, ', '))
    end
    if (check.note or '') ~= '' then
      table.insert(told, check.note)
    end
    local text = table.concat(told, '; '):gsub('%s+', ' ')
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
    local hint = ('`:Massgen apply %s {candidate}` merges one into your buffers.'):format(run.run)
    vim.list_extend(out, { '', words.counted(#candidates, 'candidate') .. '. ' .. hint })
  end
  return out
end

---What an agent said and did, as Markdown.
---@param seat string
---@param transcripts table[]
---@return string[]
function M.log(seat, transcripts)
  local out = { '# ' .. seat }
  for number, told in ipairs(transcripts) do
    local title = #transcripts > 1 and ('## Attempt %d'):format(number) or nil
    if title then
      vim.list_extend(out, { '', title })
    end
    for _, part in ipairs(told.parts or {}) do
      table.insert(out, '')
      if part.tool then
        local mark = part.ok == false and ' (failed)' or ''
        table.insert(out, ('- **%s** %s%s'):format(part.tool, words.flat(part.target or ''), mark))
        for _, text in ipairs({ part.detail or '', part.result or '' }) do
          if text ~= '' then
            local fence = fence_for(text)
            table.insert(out, '')
            for _, line in ipairs({ fence, unpack(lines_of(text)) }) do
              table.insert(out, '  ' .. line)
            end
            table.insert(out, '  ' .. fence)
          end
        end
      else
        local quote = (part.by == 'user' or part.thinking) and '> ' or ''
        for _, line in ipairs(lines_of(part.text or '')) do
          table.insert(out, quote .. line)
        end
      end
    end
    if (told.omitted or 0) > 0 then
      local steps = words.counted(told.omitted, 'step')
      vim.list_extend(out, { '', ('%s in the middle were not kept.'):format(steps) })
    end
  end
  if #transcripts == 0 then
    vim.list_extend(out, { '', 'Nothing is kept of it yet: it is when its attempt has ended.' })
  end
  return out
end

---What an agent at work has printed lately, as Markdown.
---@param seat string
---@param heard table  What `massgen/listen` says
---@return string[]
function M.printed(seat, heard)
  local texts = vim.tbl_map(function(part)
    return part.text
  end, heard.parts or {})
  if #texts == 0 then
    return M.log(seat, {})
  end
  local text = table.concat(texts)
  local fence = fence_for(text)
  local lines =
    { '# ' .. seat, '', 'What it has printed lately; `:edit` shows what came since.', '' }
  return vim.list_extend(lines, vim.iter({ fence, lines_of(text), fence }):flatten():totable())
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
  if vim.b[bufnr].massgen_filling then
    return
  end
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
    if candidate == 'log' and path then
      local params = { runId = run, seat = path }
      server:request('massgen/read', params, function(err, result)
        if err or #(result.transcripts or {}) > 0 then
          fill(bufnr, err and { err.message } or M.log(path, result.transcripts), 'markdown')
          return
        end
        params.stop = true -- what it prints from now on is not wanted
        server:request('massgen/listen', params, function(unheard, heard)
          fill(bufnr, unheard and { unheard.message } or M.printed(path, heard), 'markdown')
        end)
      end)
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

---Who has asked for a buffer that is on its way, and of which server.
---@type table<integer, { client_id: integer, callbacks: fun(found: boolean)[] }>
local waiting = {}

---Calls back with a buffer that shows a file as a candidate has it, and whether it is there.
---@param client vim.lsp.Client
---@param run string
---@param candidate string
---@param path string
---@param callback fun(bufnr: integer, found: boolean)
function M.load(client, run, candidate, path, callback)
  local bufnr = vim.fn.bufadd(('massgen://%s/%s/%s'):format(run, candidate, path))
  if vim.api.nvim_buf_is_loaded(bufnr) then
    callback(bufnr, true) -- a candidate never changes
    return
  end
  local function wait(found)
    callback(bufnr, found)
  end
  local before = waiting[bufnr]
  if before and before.client_id == client.id then
    table.insert(before.callbacks, wait)
    return
  end
  local mine = { client_id = client.id, callbacks = { wait } }
  waiting[bufnr] = mine
  local params = { runId = run, candidateId = candidate, path = path }
  local sent = client:request('massgen/read', params, function(err, result)
    if waiting[bufnr] == mine then
      waiting[bufnr] = nil
    end
    if not err then
      vim.b[bufnr].massgen_client = client.id
      vim.b[bufnr].massgen_filling = true -- what BufReadCmd would ask for is here
      vim.fn.bufload(bufnr)
      vim.b[bufnr].massgen_filling = nil
      local text = result.text or '(not text)'
      fill(bufnr, lines_of(text), vim.filetype.match({ filename = path, buf = bufnr }))
    end
    for _, each in ipairs(mine.callbacks) do
      each(err == nil)
    end
  end)
  if not sent then
    waiting[bufnr] = nil
  end
end

---Opens, or refreshes, a buffer about a run.
---@param client vim.lsp.Client
---@param run string
---@param rest? string  A candidate, or `log/` and an agent
function M.open(client, run, rest)
  local name = 'massgen://' .. run .. (rest and '/' .. rest or '')
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
