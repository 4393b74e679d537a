"""What waits for something that was taken out of the settings (an account, a route, a card, a document type), and goes on when it is back.

Promises: such a message is held with words and a command, whatever its lane; none waits in a lane that nobody serves.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

from tongguan.gateway.flow.orders import back_to
from tongguan.gateway.flow.rules import THING, Rules, missing
from tongguan.gateway.flow.site import Site
from tongguan.gateway.flow.submission.checks.allowed import unbound
from tongguan.gateway.journal.reading.snapshot import Snapshot
from tongguan.gateway.model.lane import Lane, LaneKind
from tongguan.gateway.model.message import Message, State
from tongguan.gateway.model.outcome import Chain, Outcome
from tongguan.gateway.model.record import replace
from tongguan.gateway.work.loop import Step
from tongguan.gateway.work.moment import Moment

_SLICE = 200


def lanes_nobody_serves(site: Site) -> Iterator[tuple[Lane, Step]]:
    """Lanes of cards and routes that are not in the settings any more, with messages in them; each start tries them once."""
    with site.journal.search() as records:
        lanes = [lane for kind in THING for lane in records.lanes_in_use(kind)]
    for lane in lanes:
        thing = THING[lane.kind]
        if site.rules.has(f"{thing} {lane.name}"):
            continue
        if thing == "card" and lane in site.journal.lanes and site.journal.lanes[lane].reason == "card":
            site.journal.open_lane(lane)
        yield lane, _another_card_step(site.rules) if thing == "card" else _no_route_step()


def _no_route_step() -> Step:
    """Held: there is nobody to send it to."""
    return Step("route", _no_route)


def _no_route(_moment: Moment, message: Message, _answer: None, _records: Snapshot) -> Chain:
    raise missing("route", message.lane.name if message.lane else "")


def _another_card_step(rules: Rules) -> Step:
    """What waited for a card that is no longer in the settings goes to another that suits, or waits until there is one."""
    return Step("card", partial(_to_another_card, rules), wait=rules.next_try)


def _to_another_card(rules: Rules, moment: Moment, message: Message, _answer: None, _records: Snapshot) -> Chain:
    account, profile = rules.account(message.account), rules.profile(message.type)
    card = rules.card_for(account, profile, profile.operations[message.operation])
    if card is None or message.lane is None:
        raise unbound(rules, message)
    lane = Lane(message.lane.kind, card.name)
    return (Outcome(replace(message, lane=lane, due_at=moment.now), message.state, "card"),)


def take_up(site: Site) -> int:
    """Let go on what was held for something that is there now; how many."""
    with site.journal.search() as records:
        there = [needs for needs in records.needed() if site.rules.has(needs)]
    return sum(_let_go(site, needs) for needs in there)


def _let_go(site: Site, needs: str) -> int:
    after, released = 0, 0
    while True:
        with site.journal.search() as records:
            held = records.held_for(needs, after, _SLICE)
        site.journal.finish([(_back(message, needs),) for message in held])
        released += len(held)
        if len(held) < _SLICE:
            return released
        after = held[-1].sequence


def _back(message: Message, needs: str) -> Outcome:
    outcome = back_to(message, State(message.held_from or State.RECEIVED), message.held_lane or Lane(LaneKind.READ))
    return replace(outcome, why=f"{needs} is there again")
