---Applies the server's edits: the whole of one or nothing, and one undo step in each buffer.
---
---Neovim's own handler checks a version only in the first document of an edit, answers that it
---applied what it skipped, empties a file that a creation meets, and joins an edit that arrives in
---Insert mode with what is being typed, so that undo takes back both, or worse.

local M = {}

---What an edit is going to do, kept while it is checked.
---@class massgen.Check
---@field made table<string, true>  URIs that exist only once the edit is under way

---@param uri string
---@return string path, integer bufnr  0: not loaded
local function place(uri)
  local path = vim.uri_to_fname(uri)
  for _, bufnr in ipairs(vim.api.nvim_list_bufs()) do
    if vim.api.nvim_buf_is_loaded(bufnr) and vim.api.nvim_buf_get_name(bufnr) == path then
      return path, bufnr
    end
  end
  return path, 0
end

---@param path string
local function shorten(path)
  return vim.fn.fnamemodify(path, ':~:.')
end

---@param change lsp.TextDocumentEdit
---@param check massgen.Check
---@param versioned boolean  Whether this kind of edit has versions at all
---@return string?  Why it cannot be done
local function refuse_text(change, check, versioned)
  local uri, version = change.textDocument.uri, change.textDocument.version
  if check.made[uri] then
    return nil
  end
  local path, bufnr = place(uri)
  if bufnr == 0 then
    if not vim.uv.fs_stat(path) then
      return shorten(path) .. ' is gone'
    end
    -- Now rather than in the middle: a swap file or a reading error may keep it from loading.
    local loaded, why = pcall(vim.fn.bufload, vim.fn.bufadd(path))
    return not loaded and ('%s cannot be opened: %s'):format(shorten(path), why) or nil
  end
  if not vim.bo[bufnr].modifiable then
    return shorten(path) .. " is open with 'nomodifiable'"
  end
  if version then
    if vim.lsp.util.buf_versions[bufnr] ~= version then
      return shorten(path) .. ' has changed meanwhile'
    end
  elseif versioned and vim.bo[bufnr].modified then
    return shorten(path) .. ' has unsaved changes that the server has not seen'
  end
end

---@param change lsp.CreateFile
---@param check massgen.Check
---@return string?
local function refuse_create(change, check)
  local path, bufnr = place(change.uri)
  local options = change.options or {}
  if
    (vim.uv.fs_lstat(path) or bufnr ~= 0) and not (options.overwrite or options.ignoreIfExists)
  then
    return shorten(path) .. ' exists already'
  end
  check.made[change.uri] = true
end

---@param change lsp.RenameFile
---@param check massgen.Check
---@return string?
local function refuse_rename(change, check)
  local from = vim.uri_to_fname(change.oldUri)
  local to, there = place(change.newUri)
  if not vim.uv.fs_lstat(from) then
    return shorten(from) .. ' is gone'
  end
  if vim.uv.fs_lstat(to) or there ~= 0 then
    -- A file system that ignores case finds the same file under both names.
    local same = vim.uv.fs_realpath(from) == vim.uv.fs_realpath(to)
    if there ~= 0 or not same then
      return shorten(to) .. ' exists already'
    end
  end
  check.made[change.newUri] = true
end

---@param change lsp.DeleteFile
---@return string?
local function refuse_delete(change)
  local path = vim.uri_to_fname(change.uri)
  local stat = vim.uv.fs_lstat(path)
  if stat and stat.type == 'directory' then
    return shorten(path) .. ' is a folder'
  end
end

---@param edit lsp.WorkspaceEdit
---@return string?  Why nothing of it may be applied
local function refuse(edit)
  local check = { made = {} } ---@type massgen.Check
  for _, change in ipairs(edit.documentChanges or {}) do
    local why ---@type string?
    if change.kind == 'create' then
      why = refuse_create(change, check)
    elseif change.kind == 'rename' then
      why = refuse_rename(change, check)
    elseif change.kind == 'delete' then
      why = refuse_delete(change)
    elseif change.kind then
      why = ('Neovim cannot %s files'):format(change.kind)
    else
      why = refuse_text(change, check, true)
    end
    if why then
      return why
    end
  end
  for uri in pairs(edit.documentChanges and {} or edit.changes or {}) do
    local why = refuse_text({ textDocument = { uri = uri }, edits = {} }, check, false)
    if why then
      return why
    end
  end
end

---Buffers whose text the edit changes and that are loaded by now.
---@param edit lsp.WorkspaceEdit
---@return integer[]
local function buffers_of(edit)
  local found = {} ---@type table<integer, true>
  local function add(uri)
    local _, bufnr = place(uri)
    if bufnr ~= 0 then
      found[bufnr] = true
    end
  end
  for _, change in ipairs(edit.documentChanges or {}) do
    add(change.kind == 'rename' and change.oldUri or change.uri or change.textDocument.uri)
    if change.kind == 'rename' then
      add(change.newUri)
    end
  end
  for uri in pairs(edit.changes or {}) do
    add(uri)
  end
  return vim.tbl_keys(found)
end

---Ends the undo step of each buffer: setting 'undolevels', even to what it is, does that.
---@param bufnrs integer[]
local function break_undo(bufnrs)
  for _, bufnr in ipairs(bufnrs) do
    if vim.api.nvim_buf_is_loaded(bufnr) then
      vim.bo[bufnr].undolevels = vim.bo[bufnr].undolevels
    end
  end
end

---Text added behind the last line of a buffer, or into a new file, as Neovim takes it: a buffer
---ends its last line by itself, and `vim.lsp.util` would add an empty line for the newline in the
---text.
---@param edit lsp.WorkspaceEdit
---@return lsp.WorkspaceEdit
local function fitted(edit)
  edit = vim.deepcopy(edit)
  local created = {} ---@type table<string, true>
  ---@param uri string
  ---@param edits lsp.TextEdit[]
  local function fit(uri, edits)
    local _, bufnr = place(uri)
    local ends_itself = bufnr == 0 or vim.bo[bufnr].eol
    local count = bufnr ~= 0 and vim.api.nvim_buf_line_count(bufnr) or math.huge
    for _, each in ipairs(edits) do
      local behind = created[uri] or each.range.start.line >= count
      if behind and ends_itself and vim.endswith(each.newText, '\n') then
        each.newText = each.newText:sub(1, -2)
      end
    end
  end
  for _, change in ipairs(edit.documentChanges or {}) do
    if change.kind == 'create' then
      created[change.uri] = true
    elseif change.textDocument then
      fit(change.textDocument.uri, change.edits)
    end
  end
  for uri, edits in pairs(edit.changes or {}) do
    fit(uri, edits)
  end
  return edit
end

---Handles workspace/applyEdit.
---@param params lsp.ApplyWorkspaceEditParams
---@param ctx lsp.HandlerContext
---@return lsp.ApplyWorkspaceEditResult
function M.apply(params, ctx)
  local client = assert(vim.lsp.get_client_by_id(ctx.client_id))
  local why = refuse(params.edit)
  if why then
    return { applied = false, failureReason = why }
  end
  local edit = fitted(params.edit)
  break_undo(buffers_of(edit))
  -- Renaming writes the buffer under its new name. A formatter that runs before writing would
  -- change the text under the edit that follows.
  local ignored = vim.o.eventignore
  vim.o.eventignore = table.concat({ ignored, 'BufWritePre' }, ignored ~= '' and ',' or '')
  local done, failure = pcall(vim.lsp.util.apply_workspace_edit, edit, client.offset_encoding)
  vim.o.eventignore = ignored
  break_undo(buffers_of(edit))
  if vim.api.nvim_get_mode().mode == 'i' then
    -- What is typed next begins an undo step of its own.
    vim.api.nvim_feedkeys(vim.keycode('<C-g>u'), 'n', false)
  end
  if not done then
    return { applied = false, failureReason = tostring(failure) }
  end
  return { applied = true }
end

return M
