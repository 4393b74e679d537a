"""One authority's HTTP server, in the wire protocol of the endpoints.

``POST /v1/messages``, ``GET /v1/messages/{id}``, ``GET /v1/receipts``, ``POST /v1/queries``, ``GET /v1/health``; between
authorities ``POST /v1/licences`` and ``POST /v1/licences/uses``; for whoever tests with it ``PUT /v1/admin/faults`` (new fault
rules) and ``/v1/admin/declarations``, both for the admin token.
"""

from __future__ import annotations

import asyncio
import base64
import re
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from lxml import etree
from starlette.applications import Starlette
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from tongguan.simulators.books.answers import answered
from tongguan.simulators.customs.declaration_api import DeclarationDesk
from tongguan.simulators.customs.forwarding import taken_over
from tongguan.simulators.customs.licence_updates import Messenger, heard
from tongguan.simulators.messages.admission import told
from tongguan.simulators.messages.decode import open_letter
from tongguan.simulators.messages.faults import FaultSubject, orders, read_plan, times
from tongguan.simulators.messages.markup import NotXml, parse
from tongguan.simulators.messages.odd_receipts import odd
from tongguan.simulators.messages.receive import take
from tongguan.simulators.messages.signing import DS
from tongguan.simulators.script.durations import seconds
from tongguan.simulators.server.http_app import NoAnswer, bears, body_of, gone, xml
from tongguan.simulators.server.office import Office, damaged
from tongguan.simulators.server.scheduler import Clockwork, Feed

_ID = re.compile(r"[A-Za-z0-9._:-]{1,128}")
_MOST_RECEIPTS, _LONGEST_WAIT = 1000, 60.0
_LAST = 2**63 - 1  #: number of a row


class Counter:
    """The open counter of an authority."""

    def __init__(self, office: Office) -> None:
        self.office = office
        self._started = time.monotonic()
        self._feed = Feed(office)
        self._clockwork = Clockwork(office, self._feed)
        self._messenger = Messenger(office)

    def app(self) -> Starlette:
        """Make the ASGI application."""
        routes = [
            Route("/v1/messages", self.post_message, methods=["POST"]),
            Route("/v1/messages/{id}", self.get_message),
            Route("/v1/receipts", self.get_receipts),
            Route("/v1/queries", self.post_query, methods=["POST"]),
            Route("/v1/licences", self.post_licence, methods=["POST"]),
            Route("/v1/licences/uses", self.post_use, methods=["POST"]),
            Route("/v1/health", self.get_health),
            Route("/v1/admin/faults", self.put_faults, methods=["PUT"]),
            *DeclarationDesk(self.office, self._messenger.planned).routes(),
        ]
        return Starlette(routes=routes, lifespan=self._open, exception_handlers={ClientDisconnect: gone})

    @asynccontextmanager
    async def _open(self, _: Starlette) -> AsyncIterator[None]:
        tasks = {asyncio.create_task(self._clockwork.run()), asyncio.create_task(self._messenger.run())}
        yield
        while tasks:  # a wait that ends at this very moment swallows the first cancel
            for task in tasks:
                task.cancel()
            tasks = (await asyncio.wait(tasks, timeout=0.2))[1]

    def close(self) -> None:
        """Send those home who wait for receipts."""
        self._feed.close()

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
        if (body := await body_of(request)) is None:
            return PlainTextResponse("too large\n", 413)
        wrong = self._wrong(message, body)
        if stopped := self._broken_line(message, wrong):
            return stopped
        if query:
            http, signed = answered(self.office, message, body)
        else:
            taken = take(self.office, message, body, wrong)
            http, signed = taken.http, taken.receipt
            self._clockwork.planned()
        if "slow" in wrong:
            await asyncio.sleep(seconds(wrong["slow"]))
        return self._spoilt(message, wrong, http, signed)

    def _wrong(self, message: str, body: bytes) -> dict[str, str]:
        try:
            words = told(open_letter(self.office.endpoint.opener, body).root, self.office.scripts)
        except NotXml:
            return {}
        known = FaultSubject(message, self.office.authority, words.type, words.operation, words.account, words.reference)
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
        if "odd-answer" in wrong and store.count_try(f"odd {message}") == 1:
            signed = self.office.sealer.seal(odd(_unsigned(signed), wrong["odd-answer"]))
        return xml(signed, http)

    async def get_message(self, request: Request) -> Response:
        """Tell whether a message was seen, with its receipt."""
        if refused := self._door(request):
            return refused
        known = self.office.store.message(request.path_params["id"])
        return PlainTextResponse("never seen\n", 404) if known is None else xml(known.receipt, 200)

    async def get_receipts(self, request: Request) -> Response:
        """Give an account's business receipts after a cursor; wait for the first when there is none."""
        if refused := self._door(request):
            return refused
        asked = request.query_params
        try:
            account, after = asked["account"], max(0, min(int(asked.get("after") or 0), _LAST))
            limit = max(1, min(int(asked.get("limit") or 100), _MOST_RECEIPTS))
            wait = max(0.0, min(float(asked.get("wait") or 0), _LONGEST_WAIT))
        except (KeyError, ValueError):
            return PlainTextResponse("account, after, limit, wait: wrong or missing\n", 400)
        found = await self._feed.receipts(account, after, limit, wait)
        listed = [base64.b64encode(body).decode() for _, body in found]
        return JSONResponse({"receipts": listed, "next": str(found[-1][0] if found else after)})

    async def post_licence(self, request: Request) -> Response:
        """Take over what another authority has issued; its signature is its pass."""
        if refused := self._outage():
            return refused
        if (body := await body_of(request)) is None:
            return PlainTextResponse("too large\n", 413)
        http, signed = taken_over(self.office, body, self._feed.tell)
        return xml(signed, http)

    async def post_use(self, request: Request) -> Response:
        """Hear from another authority that a licence was used."""
        if refused := self._outage():
            return refused
        if (body := await body_of(request)) is None:
            return PlainTextResponse("too large\n", 413)
        http, signed = heard(self.office, body, self._clockwork.planned)
        return xml(signed, http)

    async def get_health(self, _: Request) -> Response:
        """Say that the authority is there, unless an outage was ordered."""
        return self._outage() or PlainTextResponse("ok\n")

    async def put_faults(self, request: Request) -> Response:
        """Replace the fault rules."""
        wanted = self.office.settings.admin_token
        if not wanted or not bears(request, wanted):
            return PlainTextResponse("the admin token is wanted\n", 401)
        try:
            self.office.plan = read_plan((await body_of(request) or b"").decode())
        except ValueError as error:
            return PlainTextResponse(f"{error}\n", 400)
        self._started = time.monotonic()
        return Response(status_code=204)

    def _door(self, request: Request) -> Response | None:
        token = self.office.endpoint.token
        if token and not bears(request, token):
            return PlainTextResponse("wrong token\n", 401)
        return self._outage()

    def _outage(self) -> Response | None:
        if self.office.plan.down(self.office.authority, time.monotonic() - self._started):
            return PlainTextResponse("out of service\n", 503, {"Retry-After": "1"})
        return None


def _unsigned(signed: bytes) -> etree._Element:
    root = parse(signed)
    for signature in root.findall(f"{{{DS}}}Signature"):
        root.remove(signature)
    return root
