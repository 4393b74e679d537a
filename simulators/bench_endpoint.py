"""Answer like an authority with the least possible work, so that a measurement shows the caller's cost and not ours.

``python -m tongguan.simulators.bench_endpoint --port P --key FILE --certificate FILE [--delay-ms N]``. Each message gets a
signed technical receipt with code 0, whatever it is; nothing is verified or stored; there never are business receipts. P-256
only. The canonical form of the receipt is written from a template, so no XML library runs.
"""

from __future__ import annotations

import argparse
import asyncio
import base64
import hashlib
import re
import time
import uuid
from collections.abc import Awaitable, Callable
from contextlib import suppress
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

import uvicorn
from cryptography.hazmat.primitives.asymmetric import ec

from tongguan.simulators.messages.signing import DS, ECDSA_SHA256, ENVELOPED, EXCLUSIVE, SHA256, Sealer, load_sealer, sign
from tongguan.simulators.script.durations import stamp

Scope = dict[str, Any]
Receive = Callable[[], Awaitable[dict[str, Any]]]
Send = Callable[[dict[str, Any]], Awaitable[None]]

_SENDER = re.compile(rb"<(?:\w+:)?sender_id>([0-9A-Za-z]{1,32})<")
_TYPE = re.compile(rb"<(?:\w+:)?message_type>([0-9A-Za-z.]{1,32})<")
_ID = re.compile(rb"[A-Za-z0-9._:-]{1,128}")
# Canonical form sorts attributes by name and writes no empty-element tags.
_RECEIPT = (
    '<Receipt xmlns="urn:tongguan:receipt:1" account="{account}" authority="{authority}" code="0" id="{id}" issued_at="{at}"'
    ' kind="technical" message="{message}" text="技术回执: 已接收" type="{type}"></Receipt>'
)
_SIGNED_INFO = (
    f'<ds:SignedInfo xmlns:ds="{DS}"><ds:CanonicalizationMethod Algorithm="{EXCLUSIVE}"></ds:CanonicalizationMethod>'
    f'<ds:SignatureMethod Algorithm="{ECDSA_SHA256}"></ds:SignatureMethod><ds:Reference URI=""><ds:Transforms>'
    f'<ds:Transform Algorithm="{ENVELOPED}"></ds:Transform><ds:Transform Algorithm="{EXCLUSIVE}"></ds:Transform>'
    f'</ds:Transforms><ds:DigestMethod Algorithm="{SHA256}"></ds:DigestMethod><ds:DigestValue>%s</ds:DigestValue>'
    "</ds:Reference></ds:SignedInfo>"
)
_END = "</Receipt>"


class BenchEndpoint:
    """The ASGI application."""

    def __init__(self, sealer: Sealer, *, authority: str, delay: float) -> None:
        self._sealer = sealer
        self._authority = authority
        self._delay = delay

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            return
        path, posted = scope["path"], scope["method"] == "POST"
        if posted and path == "/v1/messages":
            http, kind, body = await self._message(scope, receive)
        elif path == "/v1/receipts":
            http, kind, body = await self._receipts(scope, receive)
        else:
            http, kind, body = (200 if path == "/v1/health" else 404), b"text/plain", b""
        headers = [(b"content-type", kind), (b"content-length", str(len(body)).encode())]
        await send({"type": "http.response.start", "status": http, "headers": headers})
        await send({"type": "http.response.body", "body": body})

    async def _message(self, scope: Scope, receive: Receive) -> tuple[int, bytes, bytes]:
        message = next((value for name, value in scope["headers"] if name == b"message-id"), b"")
        body, more = b"", True
        while more:
            piece = await receive()
            body += piece.get("body", b"")
            more = piece.get("more_body", False)
        if not _ID.fullmatch(message):
            return 400, b"text/plain", b""
        if self._delay:
            await asyncio.sleep(self._delay)
        account, type_ = (found[1].decode() if (found := wanted.search(body)) else "" for wanted in (_SENDER, _TYPE))
        return 202, b"application/xml", self.receipt(message.decode(), account, type_)

    async def _receipts(self, scope: Scope, receive: Receive) -> tuple[int, bytes, bytes]:
        asked = parse_qs(scope["query_string"].decode())
        with suppress(TimeoutError):  # whoever has gone waits for no answer
            await asyncio.wait_for(_gone(receive), min(float(asked.get("wait", ["0"])[0]), 60.0))
        after = asked.get("after", ["0"])[0]
        return 200, b"application/json", b'{"receipts": [], "next": "%d"}' % (int(after) if after.isdigit() else 0)

    def receipt(self, message: str, account: str, type_: str) -> bytes:
        """Write and sign a technical receipt; the texts must need no escaping."""
        words = {"account": account, "authority": self._authority, "message": message, "type": type_}
        plain = _RECEIPT.format(id=uuid.uuid4().hex, at=stamp(time.time()), **words)
        signed = _SIGNED_INFO % base64.b64encode(hashlib.sha256(plain.encode()).digest()).decode()
        value = base64.b64encode(sign(self._sealer.key, signed.encode())).decode()
        block = f'<ds:Signature xmlns:ds="{DS}">{signed}<ds:SignatureValue>{value}</ds:SignatureValue>{self._sealer.info}</ds:Signature>'
        return (plain[: -len(_END)] + block + _END).encode()


async def _gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


def main() -> None:
    """Read the command line and serve until told to stop."""
    parser = argparse.ArgumentParser(prog="python -m tongguan.simulators.bench_endpoint", description=__doc__)
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--key", type=Path, required=True)
    parser.add_argument("--certificate", type=Path, required=True)
    parser.add_argument("--authority", default="mofcom")
    parser.add_argument("--delay-ms", type=float, default=0.0)
    given = parser.parse_args()
    sealer = load_sealer(given.key, given.certificate)
    if not isinstance(sealer.key, ec.EllipticCurvePrivateKey):
        parser.error("a P-256 key is wanted")
    endpoint = BenchEndpoint(sealer, authority=given.authority, delay=given.delay_ms / 1000)
    uvicorn.run(
        endpoint,
        host=given.host,
        port=given.port,
        log_level="warning",
        access_log=False,
        lifespan="off",
        timeout_graceful_shutdown=1,
    )


if __name__ == "__main__":
    main()
