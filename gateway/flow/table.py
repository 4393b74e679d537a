"""The flow on one page: which lane takes up messages in which state, by which step, and where that may leave them.

A message that must wait stays where it was (deferred, with a time), or is `held` from anywhere until a person lets it go
back; an order of a person may stop it or give it up. A file comes in by its mailbox's door, whose hand goes on to check and
seal where neither card nor authority is waited for; the drawing in docs/architecture.md is held against this table by a test.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial

from tongguan.gateway.flow import answers
from tongguan.gateway.flow.intake.batches import batch_step
from tongguan.gateway.flow.intake.preparer import MessageBatch
from tongguan.gateway.flow.intake.unserved import lanes_nobody_serves
from tongguan.gateway.flow.merging.merge import merge_step
from tongguan.gateway.flow.printing.prints import print_step
from tongguan.gateway.flow.query.authority.ask import ask_step
from tongguan.gateway.flow.receipts.receipts import receipt_step
from tongguan.gateway.flow.site import Site
from tongguan.gateway.flow.submission.check import presence_step, read_step
from tongguan.gateway.flow.submission.check_station import CheckStation
from tongguan.gateway.flow.submission.owed import owed_step
from tongguan.gateway.flow.submission.seal import act_seal, may_be_sealed, seal_step
from tongguan.gateway.flow.submission.send import send_step
from tongguan.gateway.journal.port import Claim
from tongguan.gateway.model.lane import ClosedLane, Lane, LaneKind
from tongguan.gateway.model.message import State
from tongguan.gateway.model.outcome import Chain
from tongguan.gateway.model.record import replace
from tongguan.gateway.system import clock
from tongguan.gateway.work.loop import Onward, Step, prepared
from tongguan.gateway.work.station import MOST, Pace, Station


@dataclass(frozen=True, slots=True)
class Entry:
    """One kind of lane."""

    takes: frozenset[State]  #: states in which messages stand in it
    leads_to: frozenset[State]  #: states in which its step may leave them, beside the one they were in
    step: Callable[[Site], Step]
    pace: Callable[[], Pace] = field(default=Pace)


def _states(*states: State) -> frozenset[State]:
    return frozenset(states)


R, C, S = State.RECEIVED, State.CHECKED, State.SEALED
_CHECK = _states(C, State.ACCEPTED, State.REFUSED)
_SEAL = _states(S, State.REFUSED)


def complete(site: Site, step: Step) -> Step:
    """A step with what all of this site's have in common: its messages' senders are told of what it does."""
    return replace(step, respond=partial(answers.responded, site.rules))


def sealing_onward(site: Site) -> Onward:
    """Whatever a hand has checked it seals as well, where the key is fast."""
    step = complete(site, seal_step(site))
    return Onward(step, partial(may_be_sealed, site.rules), partial(act_seal, site), together=True)


def _read(site: Site) -> Step:
    return replace(read_step(site), onward=(sealing_onward(site),))


def _ask(site: Site) -> Step:
    """What asked first goes on as whatever was checked does."""
    return replace(ask_step(site), onward=(sealing_onward(site),))


def prepare_stored(site: Site, batch: MessageBatch) -> list[Chain]:
    """What becomes of messages that are to be checked, for another process to write: of as many as come before one out of the ordinary."""
    with site.journal.read() as records:
        messages = sorted(records.messages(batch.ids).values(), key=lambda message: message.sequence)
    claim = Claim(0, "", 0, tuple(messages))
    return prepared(site.journal, complete(site, _read(site)), claim, moment=site.moment)


_RECEIPT = _states(State.SETTLED, State.UNMATCHED, State.QUARANTINED)

FLOW: Mapping[LaneKind, Entry] = {
    LaneKind.READ: Entry(_states(R), _CHECK | {State.REPEATED}, _read),
    LaneKind.PRESENCE: Entry(_states(R), _CHECK, presence_step),
    LaneKind.ASK: Entry(_states(C, S), _states(C, State.ACCEPTED, State.REJECTED, State.REFUSED), _ask),
    LaneKind.UNSIGNED: Entry(_states(C), _SEAL, seal_step),
    # A card not yet known is taken for a slow one: what waits for it is not in one hand for long.
    LaneKind.CARD: Entry(_states(C), _SEAL, seal_step, partial(Pace, seconds_each=0.5)),
    LaneKind.ROUTE: Entry(_states(S), _states(State.SENT, State.REJECTED), send_step),
    LaneKind.OWED: Entry(_states(State.SENT, State.ACCEPTED, State.REJECTED), _states(), owed_step),
    LaneKind.BATCH: Entry(
        _states(R, State.SENT), _states(C, State.SENT, State.ACCEPTED, State.REJECTED, State.REFUSED), lambda site: batch_step()
    ),
    # A portion is a commit of some hundred rows: one at a turn; and then it is others' turn.
    LaneKind.MERGE: Entry(_states(C), _states(State.ACCEPTED), merge_step, partial(Pace, most=1, rests=5.0)),
    LaneKind.PRINT: Entry(_states(C), _states(State.ACCEPTED), print_step, partial(Pace, most=16, seconds_each=0.5)),
    LaneKind.VERIFY: Entry(_states(R), _RECEIPT | {State.VERIFIED}, receipt_step),
    LaneKind.SETTLE: Entry(_states(State.VERIFIED, State.UNMATCHED), _RECEIPT, receipt_step),
}
DOOR = _states(R, State.REFUSED, State.REPEATED)  #: how a file becomes a message


def stations(site: Site) -> list[Station]:
    """Every station of a site: one for each card and two for each route, so that none waits for another's."""

    def station(*lanes: Lane, name: str = "", make: Callable[..., Station] = Station) -> Station:
        entry = FLOW[LaneKind(lanes[0].kind)]
        step = complete(site, entry.step(site))
        return make(name or str(lanes[0]), site.journal, lanes, step, site.moment, partial(closed, site), entry.pace())

    made = [station(Lane(LaneKind.READ), make=partial(CheckStation, preparer=site.preparer))]
    made += [station(Lane(kind)) for kind in (LaneKind.BATCH, LaneKind.UNSIGNED, LaneKind.MERGE, LaneKind.PRINT)]
    made.append(station(Lane(LaneKind.VERIFY), Lane(LaneKind.SETTLE), name="receipts"))
    for name in site.cards:
        made.append(station(Lane(LaneKind.CARD, name)))
        presence = station(Lane(LaneKind.PRESENCE, name), name=f"card:{name}:presence")
        presence.look = partial(site.looks.freshen, name)
        made.append(presence)
    for name, route in site.rules.settings.route.items():
        made += [station(Lane(kind, name)) for kind in (LaneKind.ROUTE, LaneKind.ASK, LaneKind.OWED)]
        made[-3].pace.most = max(MOST, 4 * route.in_flight)
    for lane, step in lanes_nobody_serves(site):
        made.append(Station(str(lane), site.journal, (lane,), complete(site, step), site.moment, partial(closed, site)))
    return made


def closed(site: Site, lane: Lane) -> ClosedLane:
    """The row of a lane that was found shut: probed again by itself, unless a person must open it."""
    now = clock.now_ms()
    of_card = lane.kind in (LaneKind.CARD, LaneKind.PRESENCE)
    do = "tongguan card list" if of_card else f"tongguan doctor; tongguan resume route {lane.name}"
    probe = round(site.rules.settings.schedule.probe.total_seconds() * 1000)
    return ClosedLane(lane, lane.kind, "", now, now + probe, do)
