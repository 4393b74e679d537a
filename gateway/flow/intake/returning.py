"""What waits for something that was taken out of the settings (an account, a route, a card, a document type), and goes on when it is back.

Promises: such a message is held with words and a command, whatever its lane; none waits in a lane that nobody serves.
"""

from __future__ import annotations

from collections.abc import Sequence

from tongguan.gateway.flow.orders import back_to
from tongguan.gateway.flow.site import Site, missing
from tongguan.gateway.journal.claims import Claim
from tongguan.gateway.journal.reading.records import Records
from tongguan.gateway.model.message import Message, State
from tongguan.gateway.model.outcome import Chain, Outcome
from tongguan.gateway.model.record import replace
from tongguan.gateway.work.loop import NEEDS, Step, run

_SLICE = 200
_OF_ROUTES = ("route", "ask")


def lanes_without_route(site: Site) -> list[str]:
    """Lanes of routes that are not in the settings any more, with messages in them."""
    with site.journal.read() as records:
        lanes = [lane for kind in _OF_ROUTES for lane in records.lanes_in_use(f"{kind}:")]
    return [lane for lane in lanes if lane.partition(":")[2] not in site.routes]


def hold_without_route(site: Site, claim: Claim) -> Sequence[Chain]:
    """Held: there is nobody to send it to."""

    def decide(message: Message, _answer: object, _records: Records) -> Outcome:
        raise missing("route", (message.lane or "").partition(":")[2])

    return run(site.journal, Step("route", decide), claim)


def take_up(site: Site) -> int:
    """Let go on what was held for something that is there now; how many."""
    after, released = 0, 0
    while True:
        with site.journal.read() as records:
            held = records.in_state_after(State.HELD, after, _SLICE)
        back = [outcome for message in held if (outcome := _back(site, message)) is not None]
        site.journal.finish([(outcome,) for outcome in back])
        released += len(back)
        if len(held) < _SLICE:
            return released
        after = held[-1].sequence


def _back(site: Site, message: Message) -> Outcome | None:
    extra = message.extra or {}
    needs = str(extra.get(NEEDS, ""))
    if not needs or not site.has(needs):
        return None
    outcome = back_to(message, State(message.held_from or State.RECEIVED), str(extra.get("lane") or "read"))
    rest = {name: value for name, value in extra.items() if name != NEEDS}
    return replace(outcome, message=replace(outcome.message, extra=rest), why=f"{needs} is there again")
