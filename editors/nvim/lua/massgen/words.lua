---Numbers and names as people read them.

local M = {}

---@param count integer
---@param one string
---@return string
function M.counted(count, one)
  return ('%d %s%s'):format(count, one, count == 1 and '' or 's')
end

---@param count integer
---@return string  `940`, `12k`, `1.2M`
function M.tokens(count)
  if count < 10000 then
    return tostring(count)
  end
  if count < 999500 then
    return ('%.0fk'):format(count / 1000)
  end
  return ('%.1fM'):format(count / 1e6)
end

---@param micros integer  Millionths of a US dollar
---@return string  `$1.20`, `$0.0042`
function M.money(micros)
  if micros > 0 and micros < 50 then
    return '<$0.0001'
  end
  local form = (micros >= 10000 or micros == 0) and '$%.2f' or '$%.4f'
  return form:format(micros / 1e6)
end

---@param seconds number
---@return string  `14s`, `2m05s`, `1h02m`
function M.elapsed(seconds)
  local whole = math.max(0, math.floor(seconds))
  if whole < 60 then
    return whole .. 's'
  end
  if whole < 3600 then
    return ('%dm%02ds'):format(math.floor(whole / 60), whole % 60)
  end
  return ('%dh%02dm'):format(math.floor(whole / 3600), math.floor(whole / 60) % 60)
end

---@param text string
---@return string  On one line
function M.flat(text)
  return (vim.trim(text):gsub('%s+', ' '))
end

---@param text string
---@param width integer  Cells
---@return string  Cut with `…` when it is wider
function M.cut(text, width)
  if vim.api.nvim_strwidth(text) <= width then
    return text
  end
  local kept = vim.fn.strcharpart(text, 0, math.max(0, width - 1))
  while kept ~= '' and vim.api.nvim_strwidth(kept) > width - 1 do
    kept = vim.fn.strcharpart(kept, 0, vim.fn.strchars(kept) - 1)
  end
  return kept .. '…'
end

---@param text string
---@param width integer  Cells
---@param right? boolean
---@return string  Exactly so wide
function M.pad(text, width, right)
  text = M.cut(text, width)
  local room = (' '):rep(width - vim.api.nvim_strwidth(text))
  return right and room .. text or text .. room
end

return M
