"""Orders of operators: hold, release, retry, stop, give up, pause, resume; each recorded with who and why."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta
from typing import Any

from tongguan.gateway.flow.cards.watch import refused_pin
from tongguan.gateway.flow.local.stop import may_stop, stop
from tongguan.gateway.flow.merging.letting_go import freeing, owner_of
from tongguan.gateway.flow.rules import THING, missing
from tongguan.gateway.flow.site import Site
from tongguan.gateway.flow.slots import begun, by_hand
from tongguan.gateway.journal.reading.snapshot import Snapshot
from tongguan.gateway.model.errors import Held, TongguanError, in_both, in_language
from tongguan.gateway.model.lane import ClosedLane, Lane, LaneKind
from tongguan.gateway.model.message import FINAL, Kind, Message, State
from tongguan.gateway.model.outcome import Finished, Outcome
from tongguan.gateway.model.record import replace
from tongguan.gateway.system import clock, times
from tongguan.gateway.work.loop import NOT_HELD, hold

RELOADED = "reloaded"  #: the marker that says when settings were last read anew, and why they were not taken
_ONE_DAY = timedelta(days=1)
_AT_LEAST = 5.0  #: seconds after which the journal is asked in any case
_OPEN = (State.RECEIVED, State.CHECKED, State.SEALED, State.SENT)


class NotNow(TongguanError):
    """The order does not fit the message as it is."""


def carry_out(
    site: Site, command: Mapping[str, Any], *, who: str, why: str, reload: Callable[[], None] = lambda: None
) -> dict[str, Any]:
    """Do one order; what was done to each message, by id. `reload` has the settings read anew, later."""
    match command["do"]:
        case "pause" | "resume":
            return _lanes(site, command, who, why)
        case "open":
            site.journal.open_lane(command["lane"], who=who, why=why)
            return {"lane": command["lane"], "done": "open"}
        case "refused":
            refused_pin(site, command["card"], command["text"])
            return {"lane": Lane(LaneKind.CARD, command["card"]), "done": "shut"}
        case "adopt":  # the folder is marked by whoever ordered it; this is the record of who and why
            lane, state = Lane(LaneKind.ACCOUNT, command["account"]), str(command["mailbox"])
            site.journal.note(lane, "adopt", who=who, why=why, state=state)
            return {"account": command["account"], "done": "adopt"}
        case "merge":
            return {"messages": _merge(site, command, who, why)}
        case "answers":
            return {"answers": site.journal.write_again(command["id"], who=who, why=why)}
        case "reload":
            site.journal.note("gateway", "reload", who=who, why=why, state="ordered")
            reload()
            return {"done": "reload"}
        case "note":
            site.journal.note(Lane(command["lane"]), command["step"], who=who, why=why, state=command["state"])
            return {"lane": command["lane"], "done": command["step"]}
    act = _ACTS[command["do"]]
    results = {}
    for id_ in command["ids"]:
        results[id_] = _one(site, id_, act, who=who, why=why)
    return {"messages": results}


def _merge(site: Site, command: Mapping[str, Any], who: str, why: str) -> dict[str, str]:
    """Begin the merges of a month; their references, by id."""
    moment = site.moment()
    profile, account = site.rules.profile(command["type"]), command["account"]
    with site.journal.read() as records:
        slots = by_hand(site.rules, profile, account, command["month"], records, when=times.stamp(moment.business))
        outcomes = [replace(begun(site.rules, each, records, now=moment.now), who=who, why=why) for each in slots]
    for fate in site.journal.finish([(outcome,) for outcome in outcomes]):
        if isinstance(fate, Exception):
            raise fate
    site.journal.ring()
    return {outcome.message.id: outcome.message.reference or "" for outcome in outcomes}


def _one(site: Site, id_: str, act: Callable[[Site, Message, Snapshot], Outcome], *, who: str, why: str) -> str:
    for _ in range(5):
        with site.journal.read() as records:
            message = records.message(id_)
            if message is None:
                return in_both("没有这条报文", "unknown")
            try:
                ordered = replace(act(site, message, records), who=who, why=why)
            except NotNow as refused:
                return refused.both
            outcome = freeing(site.rules.types, ordered, records, at=site.business.now_ms())
        word = site.journal.finish([(outcome,)])[0]
        if isinstance(word, Exception):
            raise word
        if word is Finished.WRITTEN:
            site.journal.ring()
            return outcome.message.state.value
    return in_both("忙：请再试", "busy: try again")


def _hold(site: Site, message: Message, records: Snapshot) -> Outcome:
    if message.state not in (State.RECEIVED, State.CHECKED, State.SEALED):
        raise NotNow(
            f"{message.state}：只有 received、checked、sealed 的报文可以暂挂",
            f"{message.state}: only received, checked and sealed messages can be held",
        )
    return hold(message, "hold", Held("按指令暂挂", "by order", do=f"tongguan release {message.id}"), clock.now_ms())


def _release(site: Site, message: Message, records: Snapshot) -> Outcome:
    if message.contradicted and message.hold_since is not None:
        seen = replace(message, updated_at=clock.now_ms(), **NOT_HELD)  # a person has looked: state and reference stay
        return Outcome(seen, message.state, "release")
    if message.state is not State.HELD:
        raise NotNow(f"{message.state}：只有 held 的报文可以放行", f"{message.state}: only held messages can be released")
    if message.needs and not site.rules.has(message.needs):
        raise _gone(message, missing(*message.needs.split(" ", 1)))
    back = message.held_from or State.RECEIVED
    return back_to(message, State(back), _lane(site, message))


def _lane(site: Site, message: Message) -> Lane:
    """Where it was held; where its card has left the settings, another one's that suits. NotNow when nobody would take it up."""
    lane = message.held_lane or Lane(LaneKind.READ)
    thing = THING.get(lane.kind)
    if thing is None or site.rules.has(f"{thing} {lane.name}"):
        return lane
    try:
        account, profile = site.rules.account(message.account), site.rules.profile(message.type)
    except Held as held:
        raise _gone(message, held) from None
    card = site.rules.card_for(account, profile, profile.operations[message.operation]) if thing == "card" else None
    if card is None:
        raise _gone(message, missing(thing, lane.name))
    return Lane(lane.kind, card.name)


def _gone(message: Message, held: Held) -> NotNow:
    do = hold(message, "", held, 0).message.hold_do
    zh, en = (f"{held.text(each)}: {in_language(do, each)}" for each in ("zh", "en"))
    return NotNow(zh, en)


def _retry(site: Site, message: Message, records: Snapshot) -> Outcome:
    """Held: again from where it was, with a fresh deadline; sealed: now; a sealed one that was refused gets a new seal."""
    if message.state is State.HELD:
        outcome = _release(site, message, records)
        fresh = replace(outcome.message, deadline_at=_fresh_deadline(site, message))
        return replace(outcome, message=replace(fresh, tries_since=clock.now_ms()), step="retry")
    if message.state is State.UNMATCHED:
        return back_to(message, State.VERIFIED, Lane(LaneKind.SETTLE))
    if message.state in (State.RECEIVED, State.CHECKED, State.SEALED):
        return replace(back_to(message, message.state, message.lane or Lane(LaneKind.READ)), step="retry")
    raise NotNow(f"{message.state}：没有可重试的", f"{message.state}: nothing to try again")


def _fresh_deadline(site: Site, message: Message) -> int | None:
    """The deadline of a message that is tried again: one that has passed (or was taken away when it passed) begins anew."""
    now = clock.now_ms()
    if message.deadline_at is not None and message.deadline_at > now:
        return message.deadline_at
    compiled = site.rules.profiles.get(message.type)
    operation = compiled.profile.operations.get(message.operation) if compiled is not None else None
    if operation is None or not message.holds or not operation.give_up:
        return None
    return now + round(min(operation.give_up, _ONE_DAY).total_seconds() * 1000)


def back_to(message: Message, state: State, lane: Lane) -> Outcome:
    now = clock.now_ms()
    moved = replace(
        message,
        state=state,
        lane=lane,
        due_at=now,
        updated_at=now,
        waiting_for=None,
        **NOT_HELD,
    )
    return Outcome(moved, message.state, "release")


def _stop(site: Site, message: Message, records: Snapshot) -> Outcome:
    if not may_stop(message):
        raise NotNow(f"{message.state}：已不能停止", f"{message.state}: it can no longer be stopped")
    profile = site.rules.profiles[message.type].profile if message.type in site.rules.profiles else None
    now, business = clock.now_ms(), site.business.now_ms()
    return stop(message, records, profile, now=now, business=business)


def _lets_nothing_go(message: Message) -> None:
    """NotNow for a message that lets go of merged documents: nobody else would."""
    if owner_of(message) is not None:
        zh, en = "它正在释放已汇总的单证，不能终止；放行：", "it is letting merged documents go and cannot be ended; release it:"
        raise NotNow(f"{zh}tongguan release {message.id}", f"{en} tongguan release {message.id}")


def _give_up(site: Site, message: Message, records: Snapshot) -> Outcome:
    if message.kind is Kind.RECEIPT and message.state is State.HELD:
        return _drop(site, message, records)
    if message.kind is not Kind.SUBMISSION or message.state in FINAL:
        raise NotNow(f"{message.state}：没有可放弃的", f"{message.state}: nothing to give up")
    _lets_nothing_go(message)
    profile = site.rules.profiles[message.type].profile if message.type in site.rules.profiles else None
    now, business = clock.now_ms(), site.business.now_ms()
    return stop(message, records, profile, now=now, business=business, state=State.GIVEN_UP)


def _apply(site: Site, message: Message, records: Snapshot) -> Outcome:
    """A quarantined receipt is looked at again: believed only if it verifies now (the trusted certificate was added)."""
    if message.state is not State.QUARANTINED:
        raise NotNow(f"{message.state}：只有隔离的回执可以办理", f"{message.state}: only quarantined receipts can be applied")
    return back_to(message, State.RECEIVED, Lane(LaneKind.VERIFY))


def _drop(site: Site, message: Message, records: Snapshot) -> Outcome:
    if message.kind is not Kind.RECEIPT or message.state not in (State.QUARANTINED, State.UNMATCHED, State.HELD):
        raise NotNow(
            f"{message.state}：只有隔离、未匹配和暂挂的回执可以丢弃",
            f"{message.state}: only quarantined, unmatched and held receipts can be dropped",
        )
    held = NOT_HELD if message.state is State.HELD else {}
    dropped = replace(message, state=State.GIVEN_UP, lane=None, due_at=None, updated_at=clock.now_ms(), **held)
    return Outcome(dropped, message.state, "drop")


_ACTS: dict[str, Callable[[Site, Message, Snapshot], Outcome]] = {
    "hold": _hold,
    "release": _release,
    "retry": _retry,
    "stop": _stop,
    "give-up": _give_up,
    "apply": _apply,
    "drop": _drop,
}


def _lanes(site: Site, command: Mapping[str, Any], who: str, why: str) -> dict[str, Any]:
    name = command["name"]
    of_route = [Lane(LaneKind.ROUTE, name), Lane(LaneKind.ASK, name)]
    names = {"account": [Lane(LaneKind.ACCOUNT, name)], "route": of_route}.get(command["what"], [Lane(name)])
    for lane in names:
        if command["do"] == "pause":
            do = f"tongguan resume {command['what']} {name}"
            site.journal.close_lane(ClosedLane(lane, "paused", why, clock.now_ms(), None, do, who))
        else:
            site.journal.open_lane(lane, who=who, why=why)
    return {"lanes": names, "done": command["do"]}


class Orders:
    """Looks for orders ten times a second without asking the journal: only when its file was written to, or now and then.

    Two commits may come in one tick of a file's clock, and the second after the journal was asked: so it is asked once more at the next look.
    """

    def __init__(
        self, site: Site, *, monotonic: Callable[[], float] = clock.monotonic, reload: Callable[[], None] = lambda: None
    ) -> None:
        self._site, self._monotonic, self._reload = site, monotonic, reload
        self._seen: object | None = None
        self._sure = False
        self._again_at = 0.0

    def turn(self) -> bool:
        """Whether any was carried out."""
        written, now = self._site.journal.last_write(), self._monotonic()
        same = written is not None and written == self._seen
        if same and self._sure and now < self._again_at:
            return False
        self._seen, self._sure, self._again_at = written, same, now + _AT_LEAST
        return bool(orders(self._site, self._reload))


def orders(site: Site, reload: Callable[[], None] = lambda: None) -> Sequence[str]:
    """Carry out what is waiting; the ids done."""
    return site.journal.carry_out_orders(lambda command, who, why: carry_out(site, command, who=who, why=why, reload=reload))
