"""Short messages to a provider over HTTP: one POST of JSON each, several in flight.

Any 2xx means that the provider has it. The id goes along as `Idempotency-Key`: after a lost answer the same one comes again.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from concurrent.futures import CancelledError
from pathlib import Path

import orjson
from yarl import URL

from tongguan.gateway.model.errors import SettingsWrong, StationBroken, in_both
from tongguan.gateway.settings import Route, Sms
from tongguan.routes import trust
from tongguan.routes.event_loop import EventLoop
from tongguan.routes.http_session import NO_ANSWER, Connections, reason

_MOST_BYTES = 100_000
_IN_FLIGHT = 8


class HttpProvider:
    """A provider at an address; `post` is for a station's thread."""

    def __init__(self, settings: Sms, environment: str, home: Path, wire: EventLoop) -> None:
        # The same rules as for a route: https outside of tests, a token that is a reference.
        as_route = Route.model_validate(
            {"environment": environment, "url": settings.url, "certificates": (), "token": settings.token}
        )
        try:
            self._url = trust.address("sms", as_route)
            self._connections = Connections(
                tls=trust.tls("sms", as_route, home) if self._url.scheme == "https" else None,
                token=trust.token("sms", as_route, home),
                timeout_seconds=settings.timeout.total_seconds(),
            )
        except SettingsWrong as wrong:
            raise SettingsWrong(*(text.replace("route.sms.", "sms.") for text in (wrong.zh, wrong.en))) from None
        self._wire = wire
        wire.at_stop(self._connections.close)

    def post(self, letters: Sequence[dict[str, str]]) -> list[str]:
        """Post each; for each `""` when the provider has it, else why not."""
        try:
            return self._wire.call(self._post_all(letters)).result()
        except (CancelledError, StationBroken):
            return [in_both("网络线程已停止", "the wire is stopped")] * len(letters)

    async def _post_all(self, letters: Sequence[dict[str, str]]) -> list[str]:
        places = asyncio.Semaphore(_IN_FLIGHT)

        async def one(letter: dict[str, str]) -> str:
            async with places:
                return await self._post(URL(self._url), letter)

        return list(await asyncio.gather(*map(one, letters)))

    async def _post(self, url: URL, letter: dict[str, str]) -> str:
        try:
            answer = await self._connections.post_json(url, orjson.dumps(letter), key=letter["id"], most=_MOST_BYTES)
        except NO_ANSWER as trouble:
            return reason(trouble)
        return "" if 200 <= answer.status < 300 else in_both(f"应答 {answer.status}", f"answered {answer.status}")
