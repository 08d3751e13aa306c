"""Where agents reach our tools: an MCP server on loopback."""

from massgen_ls.adapters.mcp.endpoint import LoopbackEndpoint

__all__ = ["LoopbackEndpoint"]
