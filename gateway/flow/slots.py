"""What days begin by themselves: each slot of a type's calendar is a message, made as if it had come through a door.

Promises: a slot is found by comparing, never by having been woken: whenever somebody looks, the last one of each calendar is there, or is made.
So what was missed is caught up once, however many days it was. Its id follows from its name, and it is all that there is of a slot: whoever makes it
a second time, another gateway or one after a crash, makes the row that is there.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from itertools import product

import orjson

from tongguan.gateway.flow.intake.accept import Arrival, accept, look_into
from tongguan.gateway.flow.rules import Rules
from tongguan.gateway.flow.site import Site
from tongguan.gateway.journal.reading.snapshot import Snapshot
from tongguan.gateway.model.ids import derived_id
from tongguan.gateway.model.outcome import Finished, Outcome
from tongguan.gateway.model.record import record, replace
from tongguan.gateway.profile.profile import CalendarRule, Profile
from tongguan.gateway.system import times

WHO = "calendar"  #: who makes these messages, as the history says it


@record
class Slot:
    """One message that a day begins, of an account."""

    account: str
    type: str
    operation: str
    name: str  #: its reference, and its document's key
    raw: bytes

    @property
    def id(self) -> str:
        return derived_id("slot", self.account, self.name)


def due_slots(rules: Rules, business: int) -> Iterator[Slot]:
    """The last slot of each calendar, for each account that its authority knows."""
    for profile in rules.types.values():
        for rule in profile.calendar.values():
            at = rules.settings.schedule.begins_at(rule.setting) if rule.setting else rule.at
            if at is not None:
                yield from _of_day(rules, profile, rule, times.china_date(business - times.daytime_ms(at)))


def _of_day(rules: Rules, profile: Profile, rule: CalendarRule, day: str) -> Iterator[Slot]:
    accounts = [account for account in rules.accounts.values() if rules.code_at(account, profile)]
    for values in product(*rule.each.values()):
        name = "-".join([profile.type, rule.name, *values, day])
        body = dict(rule.body) | dict(zip(rule.each, values, strict=True))
        frame = {"type": profile.type, "operation": rule.operation, "reference": name, "document": name, "body": body}
        raw = orjson.dumps(frame, option=orjson.OPT_SORT_KEYS)
        for account in accounts:
            yield Slot(account.name, profile.type, rule.operation, name, raw)


def begun(rules: Rules, slot: Slot, records: Snapshot, *, now: int) -> Outcome:
    """The outcome that makes a slot's message."""
    came = Arrival(slot.id, slot.account, f"{slot.name}.json", slot.raw, hashlib.sha256(slot.raw).hexdigest(), now)
    return replace(accept(rules, look_into(rules, came), records), who=WHO)


class Slots:
    """Makes what is due. `turn` may be called as often as one likes, and by anybody."""

    def __init__(self, site: Site) -> None:
        self._site = site
        self._there = set[str]()  #: of those that are due: made already

    def turn(self) -> bool:
        """Whether a slot was made."""
        site, moment = self._site, self._site.moment()
        due = {slot.id: slot for slot in due_slots(site.rules, moment.business)}
        self._there &= due.keys()
        wanted = [slot for id_, slot in due.items() if id_ not in self._there]
        if not wanted:
            return False
        with site.journal.read() as records:
            known = records.messages(slot.id for slot in wanted)
            chains = [(begun(site.rules, slot, records, now=moment.now),) for slot in wanted if slot.id not in known]
        fates = site.journal.finish(chains) if chains else []
        self._there |= known.keys() | {
            chain[0].message.id for chain, fate in zip(chains, fates, strict=True) if fate is Finished.WRITTEN
        }
        for fate in fates:
            if isinstance(fate, Exception):
                raise fate
        site.journal.ring()
        return Finished.WRITTEN in fates
