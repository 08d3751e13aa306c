std = "luajit"
max_line_length = false -- StyLua breaks lines; what it leaves is text
local settable = { read_only = false, other_fields = true }
read_globals = {
  vim = {
    other_fields = true,
    fields = { b = settable, bo = settable, g = settable, o = settable, wo = settable },
  },
}
