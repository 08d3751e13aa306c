"""The OpenAI Responses API, as Codex asks it."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from massgen_ls.testing.models import episode as e
from massgen_ls.testing.models.episode import Json, Refuse, Said, TooLong, Usage
from massgen_ls.testing.models.faces import Asked, as_text, joined, pieces, sse
from massgen_ls.testing.models.http import Call, Reply

ERRORS = {
    400: ("invalid_request_error", None, "Invalid request."),
    401: ("invalid_request_error", "invalid_api_key", "Incorrect API key provided."),
    403: ("invalid_request_error", None, "You do not have access to this model."),
    404: ("invalid_request_error", "model_not_found", "The model does not exist."),
    429: ("requests", "rate_limit_exceeded", "Rate limit reached. Please try again later."),
    500: ("server_error", None, "The server had an error while processing your request."),
    503: ("server_error", "server_is_overloaded", "The server is overloaded."),
}
TOO_LONG = (
    "Your input exceeds the context window of this model. Please adjust your input and try again."
)


class Responses:
    """The face."""

    api = "responses"

    def asked(self, call: Call, body: Mapping[str, Json]) -> Asked | Reply | None:
        """``POST /v1/responses``; lists no models besides."""
        if call.path.endswith("/models") and call.method == "GET":
            return Reply.json({"object": "list", "data": [], "models": []})
        if not call.path.endswith("/responses") or call.method != "POST":
            return None
        given: Any = body.get("input") or ""
        items: list[dict[str, Any]] = (
            [{"role": "user", "content": given}] if isinstance(given, str) else given
        )
        users = [i for i in items if i.get("role") == "user"]
        tools: list[dict[str, Any]] = body.get("tools") or []
        return Asked(
            model=str(body.get("model", "")),
            key=call.headers.get("authorization", "").removeprefix("Bearer "),
            conversation=str(body.get("prompt_cache_key") or joined(users)[:4000]),
            opening=joined(users),
            last=joined(items[-1:]),
            tools=tuple(t.get("name") or t.get("type", "") for t in tools),
            body=body,
            streamed=bool(body.get("stream")),
        )

    def stream(self, asked: Asked, usage: Usage) -> Speech:
        """Begins an answer in server-sent events."""
        return Speech(asked, usage)

    def whole(self, asked: Asked, said: Sequence[Said], usage: Usage) -> Reply:
        """The response in one piece."""
        speech = Speech(asked, usage)
        for step in said:
            speech.say(step)
        return Reply.json(speech.response("completed"))

    def refusal(self, refusal: Refuse | TooLong) -> Reply:
        """An error as the API words it."""
        refusal = (
            Refuse(400, TOO_LONG, body=json.dumps(too_long()))
            if isinstance(refusal, TooLong)
            else refusal
        )
        text = refusal.body if refusal.body is not None else json.dumps(error(refusal))
        return Reply(refusal.status, text.encode(), dict(refusal.headers))


class Speech:
    """One streamed response."""

    def __init__(self, asked: Asked, usage: Usage) -> None:
        self._asked = asked
        self._usage = usage
        self._output: list[dict[str, Any]] = []
        self._sent = 0
        self._id = f"resp_scripted_{len(asked.body.get('input') or ())}"

    def _event(self, kind: str, **given: Json) -> bytes:
        self._sent += 1
        return sse({"type": kind, "sequence_number": self._sent - 1, **given}, kind)

    def response(self, status: str, **more: Json) -> dict[str, Any]:
        """The response object, as far as it has come."""
        used = self._usage
        return {
            "id": self._id,
            "object": "response",
            "created_at": 1,
            "status": status,
            "model": self._asked.model,
            "output": self._output,
            "usage": {
                "input_tokens": used.input,
                "input_tokens_details": {"cached_tokens": used.cached},
                "output_tokens": used.output,
                "output_tokens_details": {"reasoning_tokens": 0},
                "total_tokens": used.input + used.output,
            },
            **more,
        }

    def open(self) -> Sequence[bytes]:
        """``response.created``."""
        return [self._event("response.created", response=self.response("in_progress"))]

    def say(self, step: Said) -> Sequence[bytes]:
        """The items of a step, with their deltas."""
        return [part for item in items_of(step, self._asked) for part in self._item(item)]

    def _item(self, item: dict[str, Any]) -> list[bytes]:
        index = len(self._output)
        item = {"id": f"{item['type']}_{self._id}_{index}", **item}
        if "call_id" in item:
            item["call_id"] = f"call_{self._id}_{index}"
        self._output.append(item)
        at: dict[str, Any] = {"output_index": index, "item_id": item["id"]}
        middle: list[bytes] = []
        match item["type"]:
            case "message":
                empty = item | {"content": list[Json]()}
                middle = [
                    self._event("response.output_text.delta", **at, content_index=0, delta=t)
                    for t in pieces(item["content"][0]["text"])
                ]
            case "reasoning":
                empty = item | {"summary": list[Json]()}
                middle = [
                    self._event(
                        "response.reasoning_summary_text.delta", **at, summary_index=0, delta=t
                    )
                    for t in pieces(item["summary"][0]["text"])
                ]
            case "custom_tool_call":
                empty = item | {"input": ""}
                middle = [
                    self._event("response.custom_tool_call_input.delta", **at, delta=t)
                    for t in pieces(item["input"])
                ]
            case _:
                empty = item | {"arguments": ""}
                middle = [
                    self._event("response.function_call_arguments.delta", **at, delta=t)
                    for t in pieces(item["arguments"])
                ]
        return [
            self._event("response.output_item.added", output_index=index, item=empty),
            *middle,
            self._event("response.output_item.done", output_index=index, item=item),
        ]

    def fail(self, refusal: Refuse | TooLong) -> Sequence[bytes]:
        """``response.failed``, with the error."""
        said = (too_long() if isinstance(refusal, TooLong) else error(refusal))["error"]
        failed = self.response("failed", error={"code": said["code"], "message": said["message"]})
        return [self._event("response.failed", response=failed)]

    def close(self) -> Sequence[bytes]:
        """``response.completed``, with the usage."""
        return [self._event("response.completed", response=self.response("completed"))]


def error(refusal: Refuse) -> dict[str, Any]:
    """An error, as this API says it."""
    kind, code, message = ERRORS.get(refusal.status, ("server_error", None, "Error"))
    said = {"message": refusal.message or message, "type": kind, "param": None, "code": code}
    return {"error": said}


def too_long() -> dict[str, Any]:
    """The error of a conversation that has outgrown the model."""
    code = "context_length_exceeded"
    return {
        "error": {
            "message": TOO_LONG,
            "type": "invalid_request_error",
            "param": "input",
            "code": code,
        }
    }


def call(name: str, **given: Json) -> dict[str, Any]:
    """A function call."""
    return {
        "type": "function_call",
        "status": "completed",
        "name": name,
        "arguments": json.dumps(given),
        "call_id": "",
    }


def native(name: str, given: Mapping[str, Json], asked: Asked) -> dict[str, Any]:
    """A call of a tool by its name; Codex keeps those of MCP servers in namespaces."""
    tools: list[dict[str, Any]] = asked.body.get("tools") or []
    for space in (str(t.get("name")) for t in tools if t.get("type") == "namespace"):
        if name.startswith(f"{space}__"):
            return call(name.removeprefix(f"{space}__"), **given) | {"namespace": space}
    return call(name, **given)


def shell(command: str, asked: Asked) -> dict[str, Any]:
    """A shell command, with the tool that this build of Codex offers for it."""
    if "exec_command" in asked.tools:
        return call("exec_command", cmd=command)
    if "shell_command" in asked.tools:
        return call("shell_command", command=command)
    return call("shell", command=["bash", "-lc", command])


def patch(text: str, asked: Asked) -> dict[str, Any]:
    """A patch; without a tool for it, by the command of that name that Codex looks out for."""
    text = f"*** Begin Patch\n{text}*** End Patch"
    if "apply_patch" not in asked.tools:
        return shell(f"apply_patch <<'EOF'\n{text}\nEOF", asked)
    return {
        "type": "custom_tool_call",
        "status": "completed",
        "name": "apply_patch",
        "input": text + "\n",
        "call_id": "",
    }


def lines(mark: str, text: str) -> str:
    """Each line of the text behind a mark."""
    body = text.removesuffix("\n")
    return "".join(f"{mark}{line}\n" for line in body.split("\n")) if text else ""


def items_of(step: Said, asked: Asked) -> list[dict[str, Any]]:
    """A step as output items."""
    match step:
        case e.Text() | e.Answer():
            text = step.text if isinstance(step, e.Text) else as_text(step.value)
            content = [{"type": "output_text", "text": text, "annotations": list[Json]()}]
            message = {"type": "message", "role": "assistant", "status": "completed"}
            return [message | {"content": content}]
        case e.Thinking(text):
            return [{"type": "reasoning", "summary": [{"type": "summary_text", "text": text}]}]
        case e.Write(path, text):
            return [patch(f"*** Add File: {path}\n{lines('+', text)}", asked)]
        case e.Edit(path, old, new):
            hunk = lines("-", old) + lines("+", new)
            return [patch(f"*** Update File: {path}\n@@\n{hunk}", asked)]
        case e.Read(path):
            return [shell(f"cat -- {json.dumps(path)}", asked)]
        case e.Shell(command):
            return [shell(command, asked)]
        case e.Native(name, given):
            return [native(name, given, asked)]
