"""Answer like an authority with the least possible work, so that a measurement shows the caller's cost and not ours.

``python -m tongguan.simulators.bench_endpoint --port P --key FILE --certificate FILE [--delay-ms N]``. Each message gets a
signed technical receipt with code 0, whatever it is, each question the answer that the licence is an electronic one; nothing is verified or stored. Business receipts are those that were asked for by
``POST /v1/verdicts`` (JSON: account, type, message, code). P-256 only. The canonical form of a receipt is written from a template, so no
XML library runs.
"""

from __future__ import annotations

import argparse
import asyncio
import base64
import hashlib
import json
import re
import time
import uuid
from collections.abc import Awaitable, Callable, Coroutine
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
    '<Receipt xmlns="urn:tongguan:receipt:1" account="{account}" authority="{authority}" code="{code}" id="{id}" issued_at="{at}"'
    ' kind="{kind}" message="{message}" text="{text}" type="{type}">{content}</Receipt>'
)
_SIGNED_INFO = (
    f'<ds:SignedInfo xmlns:ds="{DS}"><ds:CanonicalizationMethod Algorithm="{EXCLUSIVE}"></ds:CanonicalizationMethod>'
    f'<ds:SignatureMethod Algorithm="{ECDSA_SHA256}"></ds:SignatureMethod><ds:Reference URI=""><ds:Transforms>'
    f'<ds:Transform Algorithm="{ENVELOPED}"></ds:Transform><ds:Transform Algorithm="{EXCLUSIVE}"></ds:Transform>'
    f'</ds:Transforms><ds:DigestMethod Algorithm="{SHA256}"></ds:DigestMethod><ds:DigestValue>%s</ds:DigestValue>'
    "</ds:Reference></ds:SignedInfo>"
)
_END = "</Receipt>"
_TECHNICAL = {"kind": "technical", "code": "0", "text": "技术回执: 已接收"}
_ANSWER = {
    "kind": "business",
    "code": "Q0",
    "text": "查询成功",
    "content": "<Content><LicenceForm>electronic</LicenceForm><RegistrationStatus>1</RegistrationStatus></Content>",
}


class BenchEndpoint:
    """The ASGI application."""

    def __init__(self, sealer: Sealer, *, authority: str, delay: float) -> None:
        self._sealer = sealer
        self._authority = authority
        self._delay = delay
        self._feed: list[tuple[str, bytes]] = []  # account and business receipt
        self._fed = asyncio.Event()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            return
        path, posted = scope["path"], scope["method"] == "POST"
        if posted and path in ("/v1/messages", "/v1/queries"):
            http, kind, body = await self._message(
                scope, receive, *((202, _TECHNICAL) if path == "/v1/messages" else (200, _ANSWER))
            )
        elif path == "/v1/receipts":
            http, kind, body = await self._receipts(scope, receive)
        elif posted and path == "/v1/verdicts":
            http, kind, body = self._verdict(json.loads(await _body(receive)))
        else:
            http, kind, body = (200 if path == "/v1/health" else 404), b"text/plain", b""
        headers = [(b"content-type", kind), (b"content-length", str(len(body)).encode())]
        await send({"type": "http.response.start", "status": http, "headers": headers})
        await send({"type": "http.response.body", "body": body})

    async def _message(self, scope: Scope, receive: Receive, http: int, said: dict[str, str]) -> tuple[int, bytes, bytes]:
        message = next((value for name, value in scope["headers"] if name == b"message-id"), b"")
        body = await _body(receive)
        if not _ID.fullmatch(message):
            return 400, b"text/plain", b""
        if self._delay:
            await asyncio.sleep(self._delay)
        account, type_ = (found[1].decode() if (found := wanted.search(body)) else "" for wanted in (_SENDER, _TYPE))
        return http, b"application/xml", self.receipt({**said, "message": message.decode(), "account": account, "type": type_})

    def _verdict(self, said: dict[str, str]) -> tuple[int, bytes, bytes]:
        words = {name: said[name] for name in ("account", "type", "message", "code")}
        self._feed.append((said["account"], self.receipt({**words, "kind": "business", "text": said["code"]})))
        self._fed.set()
        return 204, b"text/plain", b""

    async def _receipts(self, scope: Scope, receive: Receive) -> tuple[int, bytes, bytes]:
        asked = parse_qs(scope["query_string"].decode())
        said, wait = asked.get("after", ["0"])[0], min(float(asked.get("wait", ["0"])[0]), 60.0)
        account, after = asked.get("account", [""])[0], int(said) if said.isdigit() else 0
        own = [receipt for of, receipt in self._feed[after:] if of == account]
        if not own:
            self._fed.clear()
            with suppress(TimeoutError):  # whoever has gone waits for no answer
                async with asyncio.timeout(wait):
                    await _first(_gone(receive), self._fed.wait())
            own = [receipt for of, receipt in self._feed[after:] if of == account]
        page = {"receipts": [base64.b64encode(each).decode() for each in own], "next": str(max(after, len(self._feed)))}
        return 200, b"application/json", json.dumps(page).encode()

    def receipt(self, words: dict[str, str]) -> bytes:
        """Write and sign a receipt; the texts must need no escaping."""
        known = {"content": "", **words}
        plain = _RECEIPT.format(id=uuid.uuid4().hex, at=stamp(time.time()), authority=self._authority, **known)
        signed = _SIGNED_INFO % base64.b64encode(hashlib.sha256(plain.encode()).digest()).decode()
        value = base64.b64encode(sign(self._sealer.key, signed.encode())).decode()
        block = f'<ds:Signature xmlns:ds="{DS}">{signed}<ds:SignatureValue>{value}</ds:SignatureValue>{self._sealer.info}</ds:Signature>'
        return (plain[: -len(_END)] + block + _END).encode()


async def _body(receive: Receive) -> bytes:
    body, more = b"", True
    while more:
        piece = await receive()
        body += piece.get("body", b"")
        more = piece.get("more_body", False)
    return body


async def _gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


async def _first(*each: Coroutine[Any, Any, object]) -> None:
    """Wait for the first of these, and end the others."""
    tasks = [asyncio.ensure_future(one) for one in each]
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()


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
