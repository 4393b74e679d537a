"""Orders of operators: hold, release, retry, stop, give up, pause, resume; each recorded with who and why."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import Any

from tongguan.gateway.flow.site import Site
from tongguan.gateway.kernel import clock
from tongguan.gateway.kernel.changing import replace
from tongguan.gateway.kernel.errors import Held
from tongguan.gateway.kernel.journal import Finished
from tongguan.gateway.kernel.lists import Lane
from tongguan.gateway.kernel.message import FINAL, Kind, Message, State
from tongguan.gateway.kernel.outcome import Outcome
from tongguan.gateway.kernel.records import Records
from tongguan.gateway.work import hold
from tongguan.routes.desk.stop import may_stop, stop

_ONE_DAY = timedelta(days=1)
_OPEN = (State.RECEIVED, State.CHECKED, State.SEALED, State.SENT)


class NotNow(Exception):
    """The order does not fit the message's state."""


def carry_out(site: Site, command: dict[str, Any], *, who: str, why: str) -> dict[str, Any]:
    """Do one order; what was done to each message, by id."""
    match command["do"]:
        case "pause" | "resume":
            return _lanes(site, command, why)
        case "open":
            site.journal.open_lane(command["lane"])
            return {"lane": command["lane"], "done": "open"}
        case "answers":
            return {"answers": site.journal.write_again(command["id"])}
    act = _ACTS[command["do"]]
    results = {}
    for id_ in command["ids"]:
        results[id_] = _one(site, id_, act, who=who, why=why)
    return {"messages": results}


def _one(site: Site, id_: str, act: Callable[[Site, Message, Records], Outcome], *, who: str, why: str) -> str:
    for _ in range(5):
        with site.journal.read() as records:
            message = records.message(id_)
            if message is None:
                return "unknown"
            try:
                outcome = replace(act(site, message, records), who=who, why=why)
            except NotNow as refused:
                return str(refused)
        if site.journal.finish([(outcome,)])[0] is Finished.WRITTEN:
            site.journal.ring()
            return outcome.message.state.value
    return "busy: try again"


def _hold(site: Site, message: Message, records: Records) -> Outcome:
    if message.state not in (State.RECEIVED, State.CHECKED, State.SEALED):
        raise NotNow(f"{message.state}: only received, checked and sealed messages can be held")
    return hold(message, "hold", Held("by order", do=f"tongguan release {message.id}"))


def _release(site: Site, message: Message, records: Records) -> Outcome:
    if message.state is not State.HELD:
        raise NotNow(f"{message.state}: only held messages can be released")
    back = message.held_from or State.RECEIVED
    return _back(message, State(back), str((message.extra or {}).get("lane") or "read"))


def _retry(site: Site, message: Message, records: Records) -> Outcome:
    """Held: again from where it was, with a fresh deadline; sealed: now; a sealed one that was refused gets a new seal."""
    if message.state is State.HELD:
        outcome = _release(site, message, records)
        fresh = replace(outcome.message, deadline_at=_fresh_deadline(site, message))
        extra = {**(fresh.extra or {}), "retried_at": clock.now_ms()}  # its age counts from here
        return replace(outcome, message=replace(fresh, extra=extra), step="retry")
    if message.state is State.UNMATCHED:
        return _back(message, State.VERIFIED, "settle")
    if message.state in (State.RECEIVED, State.CHECKED, State.SEALED):
        return replace(_back(message, message.state, message.lane or "read"), step="retry")
    raise NotNow(f"{message.state}: nothing to try again")


def _fresh_deadline(site: Site, message: Message) -> int | None:
    """The deadline of a message that is tried again: one that has passed (or was taken away when it passed) begins anew."""
    now = clock.now_ms()
    if message.deadline_at is not None and message.deadline_at > now:
        return message.deadline_at
    compiled = site.profiles.get(message.type)
    operation = compiled.profile.operations.get(message.operation) if compiled is not None else None
    if operation is None or not message.holds or not operation.give_up:
        return None
    return now + round(min(operation.give_up, _ONE_DAY).total_seconds() * 1000)


def _back(message: Message, state: State, lane: str) -> Outcome:
    now = clock.now_ms()
    moved = replace(
        message,
        state=state,
        lane=lane,
        due_at=now,
        updated_at=now,
        waiting_for=None,
        hold_reason=None,
        hold_since=None,
        hold_do=None,
        held_from=None,
    )
    return Outcome(moved, message.state, "release")


def _stop(site: Site, message: Message, records: Records) -> Outcome:
    if not may_stop(message):
        raise NotNow(f"{message.state}: it can no longer be stopped")
    profile = site.profiles[message.type].profile if message.type in site.profiles else None
    return stop(message, records.document(message.document_id), profile, now=clock.now_ms())


def _give_up(site: Site, message: Message, records: Records) -> Outcome:
    if message.kind is not Kind.SUBMISSION or message.state in FINAL:
        raise NotNow(f"{message.state}: nothing to give up")
    profile = site.profiles[message.type].profile if message.type in site.profiles else None
    return stop(message, records.document(message.document_id), profile, now=clock.now_ms(), state=State.GIVEN_UP)


def _apply(site: Site, message: Message, records: Records) -> Outcome:
    """A quarantined receipt is looked at again: believed only if it verifies now (the trusted certificate was added)."""
    if message.state is not State.QUARANTINED:
        raise NotNow(f"{message.state}: only quarantined receipts can be applied")
    return _back(message, State.RECEIVED, "verify")


def _drop(site: Site, message: Message, records: Records) -> Outcome:
    if message.state not in (State.QUARANTINED, State.UNMATCHED):
        raise NotNow(f"{message.state}: only quarantined and unmatched receipts can be dropped")
    dropped = replace(message, state=State.GIVEN_UP, lane=None, due_at=None, updated_at=clock.now_ms())
    return Outcome(dropped, message.state, "drop")


_ACTS: dict[str, Callable[[Site, Message, Records], Outcome]] = {
    "hold": _hold,
    "release": _release,
    "retry": _retry,
    "stop": _stop,
    "give-up": _give_up,
    "apply": _apply,
    "drop": _drop,
}


def _lanes(site: Site, command: dict[str, Any], why: str) -> dict[str, Any]:
    name = command["name"]
    names = {"account": [f"account:{name}"], "route": [f"route:{name}", f"ask:{name}"]}.get(command["what"], [name])
    for lane in names:
        if command["do"] == "pause":
            do = f"tongguan resume {command['what']} {name}"
            site.journal.close_lane(Lane(lane, "paused", why, clock.now_ms(), None, do))
        else:
            site.journal.open_lane(lane)
    return {"lanes": names, "done": command["do"]}


def orders(site: Site) -> Sequence[str]:
    """Carry out what is waiting; the ids done."""
    done = []
    for id_, who, why, command in site.journal.open_orders():
        try:
            result = carry_out(site, command, who=who, why=why)
        except Exception as wrong:
            result = {"error": f"{type(wrong).__name__}: {wrong}"}
        site.journal.order_done(id_, result)
        done.append(id_)
    return done
