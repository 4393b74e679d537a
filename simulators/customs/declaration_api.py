"""The desk at which declarations that cite licences are made by whoever tests, over HTTP with the admin token."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import asdict
from typing import Any

import orjson
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from tongguan.simulators.customs.declaration_form import NotADeclaration, read_declaration
from tongguan.simulators.customs.declarations import EVENTS, Verdict, declare, happen
from tongguan.simulators.server.http_app import bears, body_of
from tongguan.simulators.server.office import Fault, Office

_ADDRESS = "/v1/admin/declarations"


class DeclarationDesk:
    """Take declarations and what happens to them; ``planned`` is called when another authority is to be told."""

    def __init__(self, office: Office, planned: Callable[[], None]) -> None:
        self._office = office
        self._planned = planned

    def routes(self) -> list[Route]:
        """List the addresses of the desk."""
        return [
            Route(_ADDRESS, self.post, methods=["POST"]),
            Route(_ADDRESS + "/{entry}", self.put, methods=["PUT"]),
            Route(_ADDRESS + "/{entry}", self.get),
        ]

    async def post(self, request: Request) -> Response:
        """Check a declaration and reserve what it uses."""
        if refused := self._door(request):
            return refused
        try:
            declaration = read_declaration(_json(await body_of(request)))
        except NotADeclaration as error:
            return _refusal(400, "", error.faults)
        return _answer(declare(self._office, declaration))

    async def put(self, request: Request) -> Response:
        """Let something happen to a declaration."""
        if refused := self._door(request):
            return refused
        try:
            said = _json(await body_of(request))
        except NotADeclaration as error:
            return _refusal(400, "", error.faults)
        event, day = (said.get("event"), said.get("date", "")) if isinstance(said, dict) else (None, "")
        if event not in EVENTS or not isinstance(day, str) or not re.fullmatch(r"(\d{4}-\d\d-\d\d)?", day):
            words = ", ".join(EVENTS)
            return _refusal(400, "", [Fault("DCL-01", "event", f"event 应为 {words} 之一，date 可为 YYYY-MM-DD")])
        verdict = happen(self._office, request.path_params["entry"], event, day)
        self._planned()
        return _answer(verdict, state=True)

    async def get(self, request: Request) -> Response:
        """Tell the state of a declaration."""
        if refused := self._door(request):
            return refused
        entry = self._office.store.ledger.entry(request.path_params["entry"])
        if entry is None:
            return _refusal(404, "", [Fault("DCL-04", "entry", "没有这份报关单")])
        return JSONResponse({"entry": entry.number, "state": entry.state, "events": dict(entry.events)})

    def _door(self, request: Request) -> Response | None:
        wanted = self._office.settings.admin_token
        return None if wanted and bears(request, wanted) else PlainTextResponse("the admin token is wanted\n", 401)


def _json(body: bytes | None) -> Any:
    try:
        return orjson.loads(body or b"")
    except orjson.JSONDecodeError as error:
        raise NotADeclaration([Fault("DCL-01", "", f"不是 JSON: {error}")]) from error


def _answer(verdict: Verdict, *, state: bool = False) -> Response:
    if verdict.faults:
        return _refusal(verdict.http, verdict.entry, verdict.faults)
    said = {"accepted": True, "entry": verdict.entry} | ({"state": verdict.state} if state else {})
    return JSONResponse(said, verdict.http)


def _refusal(http: int, entry: str, faults: Sequence[Fault]) -> Response:
    return JSONResponse({"accepted": False, "entry": entry, "faults": [asdict(fault) for fault in faults]}, http)
