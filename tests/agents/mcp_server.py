"""A small MCP server (streamable HTTP, answers as plain JSON) with one tool, ``submit``."""

from __future__ import annotations

import contextlib
import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from massgen_ls.ports import Access

TOKEN = "let-me-in-4711"
TOOL = {
    "name": "submit",
    "description": "Hands in your work.",
    "inputSchema": {"type": "object", "properties": {"summary": {"type": "string"}}},
}


class McpServer:
    """What it was asked, by method; `calls` are the uses of its tool."""

    def __init__(self) -> None:
        self.methods: list[str] = []
        self.calls: list[dict[str, Any]] = []
        self.refused = 0

    def answer(self, asked: dict[str, Any]) -> dict[str, Any]:
        self.methods.append(asked["method"])
        match asked["method"]:
            case "initialize":
                return {
                    "protocolVersion": asked["params"]["protocolVersion"],
                    "capabilities": {"tools": {}},
                    "serverInfo": {"name": "massgen", "version": "1"},
                }
            case "tools/list":
                return {"tools": [TOOL]}
            case "tools/call":
                self.calls.append(asked["params"])
                return {"content": [{"type": "text", "text": "Handed in."}]}
            case _:
                return {}


@contextlib.contextmanager
def mcp_server() -> Iterator[tuple[McpServer, Access]]:
    """Serves on a loopback port until the block is left."""
    told = McpServer()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            asked = json.loads(self.rfile.read(int(self.headers["content-length"])))
            if self.headers.get("authorization") != f"Bearer {TOKEN}":
                told.refused += 1
                return self._send(401, b"{}")
            if "id" not in asked:
                return self._send(202, b"")
            body = {"jsonrpc": "2.0", "id": asked["id"], "result": told.answer(asked)}
            return self._send(200, json.dumps(body).encode())

        def do_GET(self) -> None:
            self._send(405, b"")

        def do_DELETE(self) -> None:
            self._send(200, b"")

        def _send(self, status: int, body: bytes) -> None:
            self.send_response(status)
            self.send_header("content-type", "application/json")
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        url = f"http://127.0.0.1:{server.server_port}/mcp"
        yield told, Access(url, TOKEN, "massgen", ("submit",))
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
