"""Tell the authority that issued a licence what became of it here, and hear what another one tells.

What is to be told stands in the books from the transaction in which it happened, and is told again until it is taken.
"""

from __future__ import annotations

from collections.abc import Callable

import aiohttp

from tongguan.simulators.customs.forwarding import address, certificate, proven_sender, reply
from tongguan.simulators.customs.ledger import Telling
from tongguan.simulators.messages.markup import NotXml, parse
from tongguan.simulators.messages.signing import Unproven, verified
from tongguan.simulators.script.player import begin
from tongguan.simulators.script.script import Step
from tongguan.simulators.server.office import Fault, Office
from tongguan.simulators.server.timer import Rounds

_AT_ONCE, _TIMEOUT = 32, 8.0
_SOON = {True: 0.12, False: 5.0}  #: seconds until the second try, in fast time and otherwise
_LATEST = 300.0


class Messenger:
    """Tell what is planned, when it is due."""

    def __init__(self, office: Office) -> None:
        self._office = office
        self._rounds = Rounds(office.clock)
        self.planned = self._rounds.planned

    async def run(self) -> None:
        """Tell until cancelled. An error ends the process."""
        await self._rounds.run(self._turn, _TIMEOUT)

    async def _turn(self, client: aiohttp.ClientSession) -> float | None:
        books = self._office.store.ledger
        for telling in books.due_tellings(self._office.clock.now(), _AT_ONCE):
            if await self._taken(client, telling):
                books.told(telling.id)
            else:
                pause = min(_LATEST, _SOON[self._office.fast] * 2 ** min(telling.tries, 16))
                books.tell_later(telling.id, self._office.clock.later(pause))
        return books.next_telling()

    async def _taken(self, client: aiohttp.ClientSession, telling: Telling) -> bool:
        try:
            async with client.post(address(self._office, telling.receiver) + "/v1/licences/uses", data=telling.body) as answer:
                said = await answer.read()
            return verified(parse(said), certificate(self._office, telling.receiver)).get("code") == "0"
        except (aiohttp.ClientError, TimeoutError, OSError, ValueError, KeyError, NotXml, Unproven):
            return False


def heard(office: Office, body: bytes, planned: Callable[[], None]) -> tuple[int, bytes]:
    """Hear of a use of a licence issued here; gives the HTTP status and a signed receipt. The same again changes nothing.

    ``planned`` is called when a receipt for the enterprise was planned.
    """
    try:
        root = proven_sender(office, body, "Use")
    except (NotXml, Unproven, KeyError) as error:
        return 400, reply(office, "1", "", [Fault("USE-01", "", f"数据无法验证: {error}"[:300])])
    number = root.get("licence") or ""
    with office.store.transaction():
        document = office.store.find_document(root.get("account") or "", root.get("type") or "", [number])
        if document is None:
            return 404, reply(office, "1", number, [Fault("USE-02", "", f"没有发出许可证 {number}")])
        terms = office.scripts[document.type].licence
        if office.store.ledger.hear(root.get("id") or "") and terms is not None and terms.used_code:
            begin(office, document, "", [Step(terms.used_code, after=0.0, fast=0.0)], {})
            planned()
    return 202, reply(office, "0", number, [])
