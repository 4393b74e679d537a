"""The stations: each takes what is due in its lanes and does one batch at a turn."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import structlog

from tongguan.gateway.flow.ask import act_ask, decide_ask
from tongguan.gateway.flow.batches import decide_batch
from tongguan.gateway.flow.check import decide_check, refuse
from tongguan.gateway.flow.prints import act_print, decide_print
from tongguan.gateway.flow.receipts import decide_receipt, decide_settle, verified
from tongguan.gateway.flow.seal import act_seal, decide_seal
from tongguan.gateway.flow.send import Answered, Doubt, act_send, decide_send, late
from tongguan.gateway.flow.site import UNSIGNED, Site
from tongguan.gateway.kernel import clock
from tongguan.gateway.kernel.changing import replace
from tongguan.gateway.kernel.errors import Deferred
from tongguan.gateway.kernel.journal import Claim, Journal
from tongguan.gateway.kernel.lists import Lane
from tongguan.gateway.kernel.message import PRINT, Message, State
from tongguan.gateway.kernel.outcome import Chain, Outcome
from tongguan.gateway.kernel.records import Records
from tongguan.gateway.work import Step, attempt, conclude, defer, run

log = structlog.get_logger("station")
MOST = 128  #: messages in one batch
SPAN_SECONDS = 2.0  #: a batch is sized to about this much work


@dataclass(slots=True)
class Pace:
    """How many messages a lane does in the span of one claim, from what it did before."""

    most: int = MOST
    seconds_each: float = 0.05

    @property
    def size(self) -> int:
        return max(1, min(self.most, round(SPAN_SECONDS / max(self.seconds_each, 1e-4))))

    def did(self, count: int, seconds: float) -> None:
        self.seconds_each = 0.5 * self.seconds_each + 0.5 * seconds / max(count, 1)


@dataclass(slots=True)
class Station:
    """One line of work. `turn` does one batch and says whether there was any."""

    name: str
    journal: Journal
    lanes: tuple[str, ...]
    work: Callable[[Claim], Sequence[Chain]]
    pace: Pace = field(default_factory=Pace)

    def turn(self) -> bool:
        claim = self.journal.claim(self.name, self.lanes, limit=self.pace.size)
        if claim is None:
            return False
        began = clock.monotonic()
        self.work(claim)
        self.pace.did(len(claim.messages), clock.monotonic() - began)
        return True


def stations(site: Site) -> list[Station]:
    """Every station of a site: one for each card and two for each route, so that none waits for another's."""
    journal = site.journal
    made = [
        Station("read", journal, ("read",), partial(_read, site)),
        Station("receipts", journal, ("verify", "settle"), partial(_receipts, site)),
    ]
    made.append(Station("batch", journal, ("batch",), partial(_plain, site, Step("batch", partial(decide_batch, site)))))
    made.append(Station(UNSIGNED, journal, (UNSIGNED,), partial(_seal, site)))
    made.append(Station(PRINT, journal, (PRINT,), partial(_print, site), Pace(most=16, seconds_each=0.5)))
    for name in site.cards:
        # A card not yet known is taken for a slow one: what waits for it is not in one hand for long.
        made.append(Station(f"card:{name}", journal, (f"card:{name}",), partial(_seal, site), Pace(seconds_each=0.5)))
    for name, route in site.settings.route.items():
        pace = Pace(most=max(MOST, 4 * route.in_flight))
        made.append(Station(f"route:{name}", journal, (f"route:{name}",), partial(_send, site), pace))
        made.append(Station(f"ask:{name}", journal, (f"ask:{name}",), partial(_ask, site)))
    return made


def _plain(site: Site, step: Step, claim: Claim) -> Sequence[Chain]:
    return run(site.journal, step, claim)


def _print(site: Site, claim: Claim) -> Sequence[Chain]:
    return run(site.journal, Step(PRINT, partial(decide_print, site), act=partial(act_print, site)), claim)


def _read(site: Site, claim: Claim) -> Sequence[Chain]:
    def decide(message: Message, _answer: Any, records: Records) -> Outcome:
        return decide_check(site, message, None, records)

    return run(site.journal, Step("check", decide, refuse=partial(refuse, site), wait=_by_age(site)), claim)


def _seal(site: Site, claim: Claim) -> Sequence[Chain]:
    def act(messages: Sequence[Message]) -> Sequence[Any]:
        with site.journal.read() as records:
            return act_seal(site, messages, records)

    return run(
        site.journal,
        Step("seal", partial(decide_seal, site), act=act, refuse=partial(refuse, site), wait=_by_age(site)),
        claim,
        closed=partial(closed, site),
    )


def _send(site: Site, claim: Claim) -> Sequence[Chain]:
    answered: dict[str, bytes] = {}

    def act(messages: Sequence[Message]) -> Sequence[Any]:
        doubtful = [replace(m, extra={**(m.extra or {}), "doubtful": True}) if claim.suspect(m.id) else m for m in messages]
        answers = act_send(site, doubtful)
        shut = next((a for a in answers if isinstance(a, Doubt) and a.closes), None)
        if shut is not None:
            site.journal.close_lane(replace(closed(site, shut.closes or ""), text=shut.why, reason="route"))
        answered.update({m.id: a.raw for m, a in zip(messages, answers, strict=True) if isinstance(a, Answered)})
        return answers

    def decide(message: Message, answer: Any, records: Records) -> Outcome:
        if isinstance(answer, Doubt):
            outcome = defer(step, message, Deferred("route", after=answer.after, why=answer.why))
            return replace(outcome, message=replace(outcome.message, extra={**(message.extra or {}), "doubtful": True}))
        return decide_send(site, message, answer, records)

    step = Step("send", decide, act=act, wait=_by_age(site))
    written = run(site.journal, step, claim, closed=partial(closed, site))
    _keep_overtaken(site, [(m, answered[m.id]) for m in claim.messages if m.id in answered], written)
    return written


def _keep_overtaken(site: Site, answered: Sequence[tuple[Message, bytes]], written: Sequence[Chain]) -> None:
    """The authority's verdict was quicker than its technical receipt: that one is kept as if it had been fetched."""
    done = {chain[0].message.id for chain in written}
    kept = [late(message, raw) for message, raw in answered if message.id not in done]
    if not kept:
        return
    with site.journal.read() as records:
        known = records.messages(outcome.message.id for outcome in kept)
    site.journal.finish([(outcome,) for outcome in kept if outcome.message.id not in known])


def _ask(site: Site, claim: Claim) -> Sequence[Chain]:
    step = Step("ask", partial(decide_ask, site), act=partial(act_ask, site), refuse=partial(refuse, site), wait=_by_age(site))
    return run(site.journal, step, claim, closed=partial(closed, site))


def _by_age(site: Site) -> Callable[[Message, Deferred], int]:
    return lambda message, _deferred: site.next_try(message)


def closed(site: Site, lane: str) -> Lane:
    """The row of a lane that was found shut: probed again by itself, unless a person must open it."""
    now = clock.now_ms()
    kind, _, name = lane.partition(":")
    do = f"tongguan card pin {name}" if kind == "card" else f"tongguan doctor; tongguan resume route {name}"
    probe = round(site.settings.schedule.probe.total_seconds() * 1000)
    return Lane(lane, kind, "", now, now + probe, do)


def _receipts(site: Site, claim: Claim) -> Sequence[Chain]:
    """Verify and settle in one hand; a receipt that was verified before is settled again."""
    with site.journal.read() as records:
        raws = records.bodies([m.id for m in claim.messages], "receipt")
    contents = {m.id: verified(site, m, raws.get(m.id, b"")) for m in claim.messages}

    def decide(message: Message, records: Records) -> Chain:
        return _receipt_chain(site, message, contents[message.id], records)

    return conclude(site.journal, claim.messages, decide, token=claim.token)


def _receipt_chain(site: Site, message: Message, content: Any, records: Records) -> Chain:
    """The receipt's moves; a bug in them holds the receipt, like any message."""
    kept: list[Outcome] = []

    def decide(message: Message, _answer: Any, records: Records) -> Outcome:
        if message.state in (State.VERIFIED, State.UNMATCHED) and not isinstance(content, str):
            kept.append(decide_settle(site, message, content, records))
        else:
            kept.extend(decide_receipt(site, message, content, records))
        return kept[-1]

    outcome = attempt(Step("settle", decide), message, None, records)
    return tuple(kept) if kept and kept[-1] is outcome else (outcome,)
