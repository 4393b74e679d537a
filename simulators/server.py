"""One authority's HTTP server, in the wire protocol of the endpoints.

``POST /v1/messages``, ``GET /v1/messages/{id}``, ``GET /v1/receipts``, ``POST /v1/queries``, ``GET /v1/health``; between
authorities ``POST /v1/licences``; for whoever tests with it ``PUT /v1/admin/faults`` (new fault rules; needs the admin token).
"""

from __future__ import annotations

import asyncio
import base64
import hmac
import os
import re
import time
import traceback
from collections import defaultdict
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Any

import aiohttp
from lxml import etree
from starlette.applications import Starlette
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route
from starlette.types import Receive, Scope, Send
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from tongguan.simulators.admission import NotTaken, admit, told
from tongguan.simulators.answers import answer
from tongguan.simulators.faults import Told, orders, read_plan, times
from tongguan.simulators.forwarding import forward, taken_over
from tongguan.simulators.intake import REFUSED, take
from tongguan.simulators.markup import Unreadable, parse
from tongguan.simulators.office import Fault, Notice, Office, damaged, receipt
from tongguan.simulators.play import play
from tongguan.simulators.script import Step
from tongguan.simulators.seal import DS
from tongguan.simulators.spans import seconds, stamp
from tongguan.simulators.store import Course

LARGEST = 48_000_000  #: bytes of a request
ABORT = "tongguan.abort"
_ID = re.compile(r"[A-Za-z0-9._:-]{1,128}")
_MOST_RECEIPTS, _LONGEST_WAIT = 1000, 60.0
_LEASE = 15.0  #: seconds for handing a document to another authority


class ClosingProtocol(HttpToolsProtocol):
    """Let a request close its connection without an answer, as a broken line would."""

    def on_message_begin(self) -> None:
        super().on_message_begin()
        scope: dict[str, Any] = self.scope  # type: ignore[assignment]
        scope[ABORT] = self.transport.abort


class NoAnswer(Response):
    """Close the connection; nothing is sent."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        scope[ABORT]()
        await asyncio.sleep(0.01)  # until the connection is known to be gone


class Counter:
    """The open counter of an authority: answers calls, plays flows, wakes those who wait for receipts."""

    def __init__(self, office: Office) -> None:
        self.office = office
        self._started = time.monotonic()
        self._waiting: defaultdict[str, set[asyncio.Event]] = defaultdict(set)
        self._planned = asyncio.Event()
        self._handing: set[asyncio.Task[None]] = set()
        self._closed = False

    def app(self) -> Starlette:
        """Make the ASGI application."""
        routes = [
            Route("/v1/messages", self.post_message, methods=["POST"]),
            Route("/v1/messages/{id}", self.get_message),
            Route("/v1/receipts", self.get_receipts),
            Route("/v1/queries", self.post_query, methods=["POST"]),
            Route("/v1/licences", self.post_licence, methods=["POST"]),
            Route("/v1/health", self.get_health),
            Route("/v1/admin/faults", self.put_faults, methods=["PUT"]),
        ]
        return Starlette(routes=routes, lifespan=self._open, exception_handlers={ClientDisconnect: _gone})

    @asynccontextmanager
    async def _open(self, _: Starlette) -> AsyncIterator[None]:
        async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=_LEASE / 2)) as client:
            playing = asyncio.create_task(self._play(client))
            playing.add_done_callback(_must_not_fail)
            yield
            self.close()
            playing.cancel()
            with suppress(asyncio.CancelledError):
                await playing

    def close(self) -> None:
        """Send those home who wait for receipts."""
        self._closed = True
        for waiting in self._waiting.values():
            for one in waiting:
                one.set()

    async def post_message(self, request: Request) -> Response:
        """Take a sealed message."""
        return await self._post(request, query=False)

    async def post_query(self, request: Request) -> Response:
        """Answer a query."""
        return await self._post(request, query=True)

    async def _post(self, request: Request, *, query: bool) -> Response:
        if refused := self._door(request):
            return refused
        message = request.headers.get("message-id", "")
        if not _ID.fullmatch(message):
            return PlainTextResponse("header Message-Id: 1 to 128 of A-Z a-z 0-9 . _ : -\n", 400)
        if (body := await _body(request)) is None:
            return PlainTextResponse("too large\n", 413)
        wrong = self._wrong(message, body)
        if stopped := self._broken_line(message, wrong):
            return stopped
        if query:
            http, signed = self._answered(message, body)
        else:
            taken = take(self.office, message, body, wrong)
            http, signed = taken.http, taken.receipt
            self._planned.set()
        if "slow" in wrong:
            await asyncio.sleep(seconds(wrong["slow"]))
        return self._spoilt(message, wrong, http, signed)

    def _wrong(self, message: str, body: bytes) -> dict[str, str]:
        try:
            words = told(parse(body))
        except Unreadable:
            return {}
        known = Told(message, self.office.authority, words.type, words.operation, words.account, words.reference)
        return orders(self.office.plan, known)

    def _broken_line(self, message: str, wrong: dict[str, str]) -> Response | None:
        for name in ("503", "429", "lose"):
            if name in wrong and self.office.store.count_try(f"{name} {message}") <= times(wrong, name):
                return NoAnswer() if name == "lose" else PlainTextResponse("later\n", int(name), {"Retry-After": "1"})
        return None

    def _spoilt(self, message: str, wrong: dict[str, str], http: int, signed: bytes) -> Response:
        store = self.office.store
        if "drop-answer" in wrong and store.count_try(f"drop {message}") <= times(wrong, "drop-answer"):
            return NoAnswer()
        spoil = next((name for name in ("wrong-signature", "corrupt") if wrong.get(name) == "technical"), "")
        if spoil and store.count_try(f"{spoil} {message}") == 1:
            signed = damaged(signed) if spoil == "corrupt" else self.office.stranger.seal(_unsigned(signed))
        return _xml(signed, http)

    def _answered(self, message: str, body: bytes) -> tuple[int, bytes]:
        office, root = self.office, None
        try:
            root = parse(body)
            code, notice = answer(office, admit(office, root, message, sealed=False), message)
            http = 200
        except (Unreadable, NotTaken) as error:
            words = told(root)
            faults = error.faults if isinstance(error, NotTaken) else (Fault("PKG-00", "", f"报文无法解析: {error}"[:300]),)
            code, http, notice = "1", REFUSED, Notice(words.account, message, words.type, faults=faults)
        written = receipt(office, office.code(notice.type, code), notice, stamp(time.time()))
        return http, office.sealer.seal(written)

    async def get_message(self, request: Request) -> Response:
        """Tell whether a message was seen, with its receipt."""
        if refused := self._door(request):
            return refused
        known = self.office.store.message(request.path_params["id"])
        return PlainTextResponse("never seen\n", 404) if known is None else _xml(known.receipt, 200)

    async def get_receipts(self, request: Request) -> Response:
        """Give an account's business receipts after a cursor; wait for the first when there is none."""
        if refused := self._door(request):
            return refused
        asked = request.query_params
        try:
            account, after = asked["account"], int(asked.get("after") or 0)
            limit = max(1, min(int(asked.get("limit") or 100), _MOST_RECEIPTS))
            wait = min(float(asked.get("wait") or 0), _LONGEST_WAIT)
        except (KeyError, ValueError):
            return PlainTextResponse("account, after, limit, wait: wrong or missing\n", 400)
        found = await self._receipts(account, after, limit, wait)
        listed = [base64.b64encode(body).decode() for _, body in found]
        return JSONResponse({"receipts": listed, "next": str(found[-1][0] if found else after)})

    async def _receipts(self, account: str, after: int, limit: int, wait: float) -> list[tuple[int, bytes]]:
        deadline = time.monotonic() + wait
        news = asyncio.Event()
        self._waiting[account].add(news)
        try:
            while True:
                news.clear()
                found = self.office.store.feed(account, after, limit)
                left = deadline - time.monotonic()
                if found or left <= 0 or self._closed:
                    return found
                with suppress(TimeoutError):
                    await asyncio.wait_for(news.wait(), left)
        finally:
            self._waiting[account].discard(news)

    async def post_licence(self, request: Request) -> Response:
        """Take over what another authority has issued; its signature is its pass."""
        if refused := self._outage():
            return refused
        if (body := await _body(request)) is None:
            return PlainTextResponse("too large\n", 413)
        sender = next((name for name in self.office.settings.endpoints if name != self.office.authority), "")
        http, signed = taken_over(self.office, sender, body)
        return _xml(signed, http)

    async def get_health(self, _: Request) -> Response:
        """Say that the authority is there, unless an outage was ordered."""
        return self._outage() or PlainTextResponse("ok\n")

    async def put_faults(self, request: Request) -> Response:
        """Replace the fault rules."""
        wanted = self.office.settings.admin_token
        if not wanted or not _bears(request, wanted):
            return PlainTextResponse("the admin token is wanted\n", 401)
        try:
            self.office.plan = read_plan((await _body(request) or b"").decode())
        except ValueError as error:
            return PlainTextResponse(f"{error}\n", 400)
        self._started = time.monotonic()
        return Response(status_code=204)

    def _door(self, request: Request) -> Response | None:
        token = self.office.endpoint.token
        if token and not _bears(request, token):
            return PlainTextResponse("wrong token\n", 401)
        return self._outage()

    def _outage(self) -> Response | None:
        if self.office.plan.down(self.office.authority, time.monotonic() - self._started):
            return PlainTextResponse("out of service\n", 503, {"Retry-After": "1"})
        return None

    async def _play(self, client: aiohttp.ClientSession) -> None:
        store = self.office.store
        while True:
            self._planned.clear()
            for course in store.due_courses(time.time(), 64):
                step = Step(**course.steps[0])
                if step.forward:
                    store.lend_course(course.id, time.time() + _LEASE)
                    task = asyncio.create_task(self._hand_over(client, course, step.forward))
                    self._handing.add(task)
                    task.add_done_callback(self._handing.discard)
                    task.add_done_callback(_must_not_fail)
                else:
                    self._tell(play(self.office, course))
                await asyncio.sleep(0)
            due = store.next_due()
            pause = 3600.0 if due is None else due - time.time()
            if pause > 0:
                with suppress(TimeoutError):
                    await asyncio.wait_for(self._planned.wait(), pause)

    async def _hand_over(self, client: aiohttp.ClientSession, course: Course, receiver: str) -> None:
        outcome = await forward(self.office, client, course, receiver)
        self._tell(play(self.office, course, outcome))
        self._planned.set()

    def _tell(self, account: str) -> None:
        for one in self._waiting.get(account, ()):
            one.set()


def _must_not_fail(task: asyncio.Task[None]) -> None:
    """End the process when a flow cannot be played: a simulator that no longer answers as promised would mislead."""
    if not task.cancelled() and (error := task.exception()) is not None:
        traceback.print_exception(error)
        os._exit(70)


async def _gone(_: Request, __: Exception) -> Response:
    return Response(status_code=400)  # nobody is there to read it


def _bears(request: Request, token: str) -> bool:
    given = request.headers.get("authorization", "").encode()
    return hmac.compare_digest(given, f"Bearer {token}".encode())


async def _body(request: Request) -> bytes | None:
    """Read a request's body, or nothing when it is too large."""
    pieces, size = [], 0
    async for piece in request.stream():
        size += len(piece)
        if size > LARGEST:
            return None
        pieces.append(piece)
    return b"".join(pieces)


def _xml(signed: bytes, http: int) -> Response:
    return Response(signed, http, media_type="application/xml")


def _unsigned(signed: bytes) -> etree._Element:
    root = parse(signed)
    for signature in root.findall(f"{{{DS}}}Signature"):
        root.remove(signature)
    return root
