"""The line to the callers: bounded bodies, tokens, XML answers, and connections that close without an answer."""

from __future__ import annotations

import asyncio
import hmac
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

LARGEST = 48_000_000  #: bytes of a request
_ABORT = "tongguan.abort"


class ClosingProtocol(HttpToolsProtocol):
    """Let a request close its connection without an answer, as a broken line would."""

    def on_message_begin(self) -> None:
        super().on_message_begin()
        scope: dict[str, Any] = self.scope  # type: ignore[assignment]
        scope[_ABORT] = self.transport.abort


class NoAnswer(Response):
    """Close the connection; nothing is sent."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        scope[_ABORT]()
        await asyncio.sleep(0.01)  # until the connection is known to be gone


def bears(request: Request, token: str) -> bool:
    """Say whether a request bears a token."""
    given = request.headers.get("authorization", "").encode()
    return hmac.compare_digest(given, f"Bearer {token}".encode())


async def body_of(request: Request) -> bytes | None:
    """Read a request's body, or nothing when it is too large."""
    pieces, size = [], 0
    async for piece in request.stream():
        size += len(piece)
        if size > LARGEST:
            return None
        pieces.append(piece)
    return b"".join(pieces)


def xml(signed: bytes, http: int) -> Response:
    """Answer with a signed document."""
    return Response(signed, http, media_type="application/xml")


async def gone(_: Request, __: Exception) -> Response:
    """Answer a caller who hung up; nobody is there to read it."""
    return Response(status_code=400)
