-- A language server inside Neovim that does what a test tells it, for what the plug-in does by
-- itself. `cmd` of a client may be a function, which this returns; `_G.stand` is its handle.

local stand = {
  seen = {}, -- every request and notification: { method, params }
  replies = {}, -- what our own requests were answered with
  answers = {}, -- method → result, or function(params)
}
_G.stand = stand

local COMMANDS = { 'massgen.run', 'massgen.apply' }

function stand.tell(method, params)
  stand.dispatchers.notification(method, params)
end

-- The reply comes as the n-th of `stand.replies`.
function stand.ask(method, params)
  coroutine.wrap(function()
    local result, err = stand.dispatchers.server_request(method, params)
    table.insert(stand.replies, err and { error = err } or { result = result })
  end)()
end

function stand.sent(method)
  return vim.tbl_map(
    function(each)
      return each.params
    end,
    vim.tbl_filter(function(each)
      return each.method == method
    end, stand.seen)
  )
end

function stand.die()
  stand.closing = true
  stand.dispatchers.on_exit(1, 9)
end

return function(dispatchers)
  stand.dispatchers, stand.closing = dispatchers, false
  local server = {}
  local ids = 0

  function server.request(method, params, callback, done)
    ids = ids + 1
    local id = ids
    table.insert(stand.seen, { method = method, params = params })
    local answer = stand.answers[method]
    if type(answer) == 'function' then
      answer = answer(params)
    end
    if method == 'initialize' then
      answer = {
        capabilities = {
          positionEncoding = 'utf-8',
          textDocumentSync = { openClose = true, change = 2 },
          executeCommandProvider = { commands = COMMANDS },
        },
      }
    end
    local function reply()
      if answer and answer.error then
        callback({ code = -32803, message = answer.error })
      else
        callback(nil, answer or vim.NIL)
      end
      if done then
        done(id)
      end
    end
    if method == 'initialize' and stand.slow then
      stand.wake = reply
    else
      vim.schedule(reply)
    end
    return true, id
  end

  function server.notify(method, params)
    table.insert(stand.seen, { method = method, params = params })
    if method == 'exit' then
      stand.closing = true
      dispatchers.on_exit(0, 0)
    end
    return true
  end

  function server.is_closing()
    return stand.closing
  end

  function server.terminate()
    stand.closing = true
  end

  return server
end
