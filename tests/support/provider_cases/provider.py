"""The provider of one case: a raw HTTP server that answers by the case's script."""

import asyncio
import base64
import json
import socket
import struct
import time
from collections import Counter
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, cast

from tests.support.provider_cases.conditions import holds

PACKET_PAUSE_S = 0.01
_PHRASES = {status.value: status.phrase for status in HTTPStatus}
_TITLE = {
    "status": 200,
    "steps": [
        {"send": 'data: {"choices": [{"index": 0, "delta": {"content": "A plain title"}, "finish_reason": "stop"}]}'},
        {"send": "\n\ndata: [DONE]\n\n"},
    ],
}

_MESSAGE = '{"type": "message", "content": [{"type": "text", "text": "A plain title"}], "stop_reason": "end_turn"}'
_RESPONSE = (
    '{"object": "response", "status": "completed", "output": [{"type": "message", "content": '
    '[{"type": "output_text", "text": "A plain title"}]}]}'
)
_TITLES = {
    "/v1/messages": {"status": 200, "steps": [{"send": _MESSAGE}]},
    "/v1/responses": {"status": 200, "steps": [{"send": _RESPONSE}]},
}


@dataclass
class Request:
    """One request to the provider; times are of the monotonic clock.

    Attributes:
        content: `{path, headers, body}`.
        turn: The number of the conversation's entry that was under way.
        closed_at: When the client closed the connection ahead of the script's end.
    """

    content: dict[str, Any]
    is_title: bool
    turn: int
    closed_at: float | None = None


class CaseProvider:
    """Answers the requests of one case; `turn` is set by whoever plays the conversation."""

    def __init__(self, replies: list[dict[str, Any]]) -> None:
        self._replies = replies
        self._uses = Counter[int]()
        self.base_url = ""
        self.requests: list[Request] = []
        self.unforeseen: list[str] = []
        self.turn = 0

    def chats(self) -> list[Request]:
        """Return the requests of the conversation's last entry, without those for a title."""
        return [request for request in self.requests if not request.is_title and request.turn == self.turn]

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer the one request of a connection."""
        writer.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        try:
            content = await _read(reader)
            request = Request(content, _is_title(content), self.turn)
            self.requests.append(request)
            await self._answer(request, reader, writer)
        except (ConnectionError, asyncio.IncompleteReadError):
            return
        finally:
            writer.close()

    async def _answer(self, request: Request, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        reply = self._choose(request)
        play = asyncio.create_task(_play(reply, writer))
        gone = asyncio.create_task(reader.read(1))
        try:
            await asyncio.wait({play, gone}, return_when=asyncio.FIRST_COMPLETED)
            if not play.done():
                request.closed_at = time.monotonic()
            else:
                play.result()
        finally:
            for task in (play, gone):
                task.cancel()
            await asyncio.gather(play, gone, return_exceptions=True)

    def _choose(self, request: Request) -> dict[str, Any]:
        for number, reply in enumerate(self._replies):
            is_used_up = reply.get("times", 1) != "any" and self._uses[number] >= reply.get("times", 1)
            is_meant = (reply.get("for") == "title") == request.is_title
            if not is_used_up and is_meant and holds(request.content, reply.get("when", [])):
                self._uses[number] += 1
                return reply
        if request.is_title:
            return _TITLES.get(request.content["path"], _TITLE)
        self.unforeseen.append(json.dumps(request.content["body"], ensure_ascii=False)[:2_000])
        return {"status": 400, "steps": [{"send": '{"error": {"message": "unforeseen request"}}'}]}


@asynccontextmanager
async def case_provider(replies: list[dict[str, Any]]) -> AsyncGenerator[CaseProvider]:
    """Run the provider of a case on the current event loop."""
    provider = CaseProvider(replies)
    connections: set[asyncio.Task[None]] = set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        connections.add(task)
        try:
            await provider.serve(reader, writer)
        finally:
            connections.discard(task)

    server = await asyncio.start_server(serve, "127.0.0.1", 0, limit=16_000_000)
    provider.base_url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1"
    try:
        yield provider
    finally:
        server.close()
        for task in connections:
            task.cancel()
        await asyncio.gather(*connections, return_exceptions=True)


async def _read(reader: asyncio.StreamReader) -> dict[str, Any]:
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin1")
    first, *lines = head.rstrip("\r\n").split("\r\n")
    headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
    body = await reader.readexactly(int(headers.get("content-length", "0")))
    path = first.split(" ")[1].partition("?")[0]
    return {"path": path, "headers": headers, "body": json.loads(body or b"null")}


def _is_title(content: dict[str, Any]) -> bool:
    """Tell a request for a title by its system text, which every dialect has in another place."""
    body = cast("dict[str, Any]", content["body"] or {})
    messages = cast("list[dict[str, Any]]", body.get("messages") or [])
    systems = [message.get("content") for message in messages if message.get("role") == "system"]
    return any(
        "title for the conversation" in str(text) for text in [*systems, body.get("system"), body.get("instructions")]
    )


async def _play(reply: dict[str, Any], writer: asyncio.StreamWriter) -> None:
    await asyncio.sleep(reply.get("delay_s", 0))
    status = reply["status"]
    if status is not None:
        headers = {"Content-Type": "text/event-stream"} | reply.get("headers", {}) | {"Connection": "close"}
        lines = [
            f"HTTP/1.1 {status} {_PHRASES.get(status, 'Unknown')}",
            *(f"{name}: {headers[name]}" for name in headers),
        ]
        writer.write(("\r\n".join(lines) + "\r\n\r\n").encode())
        await writer.drain()
    for step in reply["steps"]:
        await _step(step, writer)


async def _step(step: dict[str, Any], writer: asyncio.StreamWriter) -> None:
    if "wait_s" in step:
        await asyncio.sleep(step["wait_s"])
    elif "close" in step:
        if step["close"] == "reset":
            raw = writer.get_extra_info("socket")
            raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            writer.transport.abort()
        raise ConnectionAbortedError
    else:
        data = base64.b64decode(step["send_base64"]) if "send_base64" in step else step["send"].encode()
        if "every_s" not in step:
            data, repeat = data * step.get("repeat", 1), 1
        else:
            repeat = step["repeat"]
        for _ in range(repeat):
            writer.write(data)
            await writer.drain()
            await asyncio.sleep(step.get("every_s", PACKET_PAUSE_S))
