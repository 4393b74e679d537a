"""The stations: each takes what is due in its lanes and does one batch at a turn."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from tongguan.gateway.flow import answers
from tongguan.gateway.flow.intake.accept import read_again, unread
from tongguan.gateway.flow.intake.batches import decide_batch
from tongguan.gateway.flow.intake.returning import hold_without_route, lanes_without_route
from tongguan.gateway.flow.printing.prints import act_print, decide_print
from tongguan.gateway.flow.query.ask import act_ask, decide_ask
from tongguan.gateway.flow.receipts.believing import Answered, fetched
from tongguan.gateway.flow.receipts.receipts import decide_receipt, decide_settle, quarantined_for_numbers
from tongguan.gateway.flow.site import PRESENCE, UNSIGNED, Site
from tongguan.gateway.flow.submission.allowed import card_in_place, unbound
from tongguan.gateway.flow.submission.check import decide_check, refuse
from tongguan.gateway.flow.submission.owed import LANE as OWED
from tongguan.gateway.flow.submission.owed import ask_for_owed
from tongguan.gateway.flow.submission.seal import act_seal, decide_seal
from tongguan.gateway.flow.submission.secrets import look_at_secrets
from tongguan.gateway.flow.submission.send import Doubt, act_send, decide_send, keep, late
from tongguan.gateway.journal.journal import Claim, Journal
from tongguan.gateway.journal.reading.records import Records
from tongguan.gateway.journal.reading.searches import Lane
from tongguan.gateway.model.errors import Deferred, in_both
from tongguan.gateway.model.message import PRINT, Message, State
from tongguan.gateway.model.outcome import Chain, Outcome
from tongguan.gateway.model.record import replace
from tongguan.gateway.system import clock
from tongguan.gateway.work.loop import Step, defer, each, run
from tongguan.signer.errors import CardBroken

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


def _nothing() -> None:
    """Most stations have nothing to look at."""


@dataclass(slots=True)
class Station:
    """One line of work. `turn` does one batch and says whether there was any."""

    name: str
    journal: Journal
    lanes: tuple[str, ...]
    work: Callable[[Claim], Sequence[Chain]]
    pace: Pace = field(default_factory=Pace)
    look: Callable[[], None] = _nothing  #: before each turn

    def turn(self) -> bool:
        self.look()
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
        waiting, look = (f"{PRESENCE}:{name}",), partial(site.looks.freshen, name)
        made.append(Station(f"card:{name}:{PRESENCE}", journal, waiting, partial(_present, site, name), look=look))
    made += [Station(lane, journal, (lane,), partial(_without_card, site)) for lane in _left_over(site)]
    made += [Station(lane, journal, (lane,), partial(hold_without_route, site)) for lane in lanes_without_route(site)]
    for name, route in site.settings.route.items():
        pace = Pace(most=max(MOST, 4 * route.in_flight))
        made.append(Station(f"route:{name}", journal, (f"route:{name}",), partial(_send, site), pace))
        made.append(Station(f"ask:{name}", journal, (f"ask:{name}",), partial(_ask, site)))
        made.append(Station(f"{OWED}:{name}", journal, (f"{OWED}:{name}",), partial(ask_for_owed, site, name)))
    return made


def _left_over(site: Site) -> list[str]:
    """Lanes of cards that are no longer in the settings, with messages in them; each start tries them once."""
    with site.journal.read() as records:
        lanes = [lane for kind in ("card", PRESENCE) for lane in records.lanes_in_use(f"{kind}:")]
    gone = [lane for lane in lanes if lane.partition(":")[2] not in site.cards]
    for lane in gone:
        if lane in site.journal.lanes and site.journal.lanes[lane].reason == "card":
            site.journal.open_lane(lane)
    return gone


def _plain(site: Site, step: Step, claim: Claim) -> Sequence[Chain]:
    return run(site.journal, step, claim)


def _print(site: Site, claim: Claim) -> Sequence[Chain]:
    return run(site.journal, Step(PRINT, partial(decide_print, site), act=partial(act_print, site)), claim)


def _read(site: Site, claim: Claim) -> Sequence[Chain]:
    def act(messages: Sequence[Message]) -> Sequence[Any]:
        for account in {message.account for message in messages}:
            look_at_secrets(site, account, {message.type for message in messages})
        return [None] * len(messages)

    def decide(message: Message, _answer: Any, records: Records) -> Outcome:
        if unread(message):
            return answers.where_refused(site, read_again(site, message, records))
        return decide_check(site, message, None, records)

    return run(site.journal, Step("check", decide, act=act, refuse=partial(refuse, site), wait=_by_age(site)), claim)


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
    if kept:
        keep(site, kept)


def _ask(site: Site, claim: Claim) -> Sequence[Chain]:
    step = Step("ask", partial(decide_ask, site), act=partial(act_ask, site), refuse=partial(refuse, site), wait=_by_age(site))
    return run(site.journal, step, claim, closed=partial(closed, site))


def _present(site: Site, name: str, claim: Claim) -> Sequence[Chain]:
    """One look at the card for all that want it in its reader; the rest of their check comes after it."""

    def act(messages: Sequence[Message]) -> Sequence[Any]:
        for account in {message.account for message in messages}:
            look_at_secrets(site, account, {message.type for message in messages})
        try:
            state = site.looks.look(name)
        except CardBroken as broken:
            return [Deferred("card", closes=f"{PRESENCE}:{name}", why=in_both(f"卡不可用：{broken.zh}", broken.en))] * len(
                messages
            )
        return [state] * len(messages)

    def decide(message: Message, state: Any, records: Records) -> Outcome:
        card_in_place(name, state)
        return decide_check(site, message, None, records, present=True)

    step = Step("check", decide, act=act, refuse=partial(refuse, site), wait=_by_age(site))
    return run(site.journal, step, claim, closed=partial(closed, site))


def _without_card(site: Site, claim: Claim) -> Sequence[Chain]:
    """What waited for a card that is no longer in the settings goes to another that suits, or waits until there is one."""

    def decide(message: Message, _answer: Any, records: Records) -> Outcome:
        account, profile = site.account(message.account), site.profile(message.type)
        operation, kind = profile.operations[message.operation], (message.lane or "").partition(":")[0]
        card = site.card_for(account, profile, operation)
        if card is None:
            raise unbound(site, message)
        return Outcome(replace(message, lane=f"{kind}:{card.name}", due_at=clock.now_ms()), message.state, "card")

    step = Step("card", decide, wait=_by_age(site))
    return run(site.journal, step, claim, closed=partial(closed, site))


def _by_age(site: Site) -> Callable[[Message, Deferred], int]:
    return lambda message, _deferred: site.next_try(message)


def closed(site: Site, lane: str) -> Lane:
    """The row of a lane that was found shut: probed again by itself, unless a person must open it."""
    now = clock.now_ms()
    kind, _, name = lane.partition(":")
    do = "tongguan card list" if kind in ("card", PRESENCE) else f"tongguan doctor; tongguan resume route {name}"
    probe = round(site.settings.schedule.probe.total_seconds() * 1000)
    return Lane(lane, kind, "", now, now + probe, do)


def _receipts(site: Site, claim: Claim) -> Sequence[Chain]:
    """Verify and settle in one hand; a receipt that was verified before is settled again."""

    def act(messages: Sequence[Message]) -> Sequence[Any]:
        with site.journal.read() as records:
            raws = records.bodies([m.id for m in messages], "receipt")
        return each(messages, lambda message: fetched(site, message, raws.get(message.id, b"")))

    def decide(message: Message, told: Answered | str, records: Records) -> Outcome | Chain:
        if message.state in (State.VERIFIED, State.UNMATCHED) and not isinstance(told, str):
            return decide_settle(site, message, told, records)
        return decide_receipt(site, message, told, records)

    # Who can answer for an endpoint must not be able to shut the lane of all receipts: each bug holds its own.
    return run(site.journal, Step("settle", decide, act=act, shuts=False), claim, clashed=quarantined_for_numbers)
