"""What waits for something that was taken out of the settings (an account, a route, a card, a document type), and goes on when it is back.

Promises: such a message is held with words and a command, whatever its lane; none waits in a lane that nobody serves.
"""

from __future__ import annotations

from collections.abc import Iterator

from tongguan.gateway.flow.orders import back_to
from tongguan.gateway.flow.site import THING, Site, missing
from tongguan.gateway.flow.submission.allowed import unbound
from tongguan.gateway.journal.reading.snapshot import Snapshot
from tongguan.gateway.model.lane import Lane, LaneKind
from tongguan.gateway.model.message import Message, State
from tongguan.gateway.model.outcome import Chain, Outcome
from tongguan.gateway.model.record import replace
from tongguan.gateway.system import clock
from tongguan.gateway.work.loop import Step

_SLICE = 200


def lanes_nobody_serves(site: Site) -> Iterator[tuple[Lane, Step]]:
    """Lanes of cards and routes that are not in the settings any more, with messages in them; each start tries them once."""
    with site.journal.search() as records:
        lanes = [lane for kind in THING for lane in records.lanes_in_use(kind)]
    for lane in lanes:
        thing = THING[lane.kind]
        if site.has(f"{thing} {lane.name}"):
            continue
        if thing == "card" and lane in site.journal.lanes and site.journal.lanes[lane].reason == "card":
            site.journal.open_lane(lane)
        yield lane, _another_card_step(site) if thing == "card" else _no_route_step()


def _no_route_step() -> Step:
    """Held: there is nobody to send it to."""

    def decide(message: Message, _answer: None, _records: Snapshot) -> Chain:
        raise missing("route", message.lane.name if message.lane else "")

    return Step("route", decide)


def _another_card_step(site: Site) -> Step:
    """What waited for a card that is no longer in the settings goes to another that suits, or waits until there is one."""

    def decide(message: Message, _answer: None, _records: Snapshot) -> Chain:
        account, profile = site.account(message.account), site.profile(message.type)
        card = site.card_for(account, profile, profile.operations[message.operation])
        if card is None or message.lane is None:
            raise unbound(site, message)
        lane = Lane(message.lane.kind, card.name)
        return (Outcome(replace(message, lane=lane, due_at=clock.now_ms()), message.state, "card"),)

    return Step("card", decide, wait=site.next_try)


def take_up(site: Site) -> int:
    """Let go on what was held for something that is there now; how many."""
    after, released = 0, 0
    while True:
        with site.journal.search() as records:
            held = records.in_state_after(State.HELD, after, _SLICE)
        back = [outcome for message in held if (outcome := _back(site, message)) is not None]
        site.journal.finish([(outcome,) for outcome in back])
        released += len(back)
        if len(held) < _SLICE:
            return released
        after = held[-1].sequence


def _back(site: Site, message: Message) -> Outcome | None:
    needs = message.needs
    if not needs or not site.has(needs):
        return None
    outcome = back_to(message, State(message.held_from or State.RECEIVED), message.held_lane or Lane(LaneKind.READ))
    return replace(outcome, why=f"{needs} is there again")
