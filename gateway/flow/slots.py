"""What days begin by themselves: each slot of a type's calendar is a message, made as if it had come through a door.

Promises: a slot is found by comparing, never by having been woken: whenever somebody looks, the last one of each calendar is there, or is made.
So what was missed is caught up once, however many days it was. Its id follows from its name, and it is all that there is of a slot: whoever makes it
a second time, another gateway or one after a crash, makes the row that is there.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping
from itertools import product

import orjson

from tongguan.gateway.flow.intake.accept import Arrival, accept, look_into
from tongguan.gateway.flow.merging.months import MonthsOfAccount, has_ready
from tongguan.gateway.flow.merging.selection import MergeTypes
from tongguan.gateway.flow.rules import Rules
from tongguan.gateway.flow.site import Site
from tongguan.gateway.journal.reading.snapshot import Snapshot
from tongguan.gateway.model.ids import derived_id
from tongguan.gateway.model.outcome import Finished, Outcome
from tongguan.gateway.model.record import record, replace
from tongguan.gateway.profile.profile import CalendarRule, Profile
from tongguan.gateway.settings import Schedule
from tongguan.gateway.system import times

#: of each of the settings' `CALENDARS`: from which time of day; None: a person begins it
_BEGINS_AT: Mapping[str, Callable[[Schedule], str | None]] = {
    "merge": lambda schedule: schedule.merge_at if schedule.merge == "auto" else None
}
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


def day_and_hour(rules: Rules, rule: CalendarRule, business: int) -> tuple[str, int] | None:
    """Which day of a calendar it is, and how many hours of it have passed; None where a person begins what is its matter."""
    at = _BEGINS_AT[rule.setting](rules.settings.schedule) if rule.setting else rule.at
    if at is None:
        return None
    begun = business - times.daytime_ms(at)
    return times.china_date(begun), times.china_hour(begun)


def slots_of_day(
    rules: Rules, profile: Profile, rule: CalendarRule, day: str, records: Snapshot, *, today: str
) -> tuple[list[Slot], bool]:
    """The slots of a day, for each account that the authority knows; and whether there is one that waits."""
    bodies = [dict(rule.body) | dict(zip(rule.each, values, strict=True)) for values in product(*rule.each.values())]
    accounts = [account.name for account in rules.accounts.values() if rules.code_at(account, profile)]
    if not rule.month:
        return [slot(account, profile, rule, body, day) for body in bodies for account in accounts], False
    types, found, waits = MergeTypes(rules, profile), list[Slot](), False
    singly = types.named_singly(records)
    for account in accounts:
        months = MonthsOfAccount(types, account, records, singly=singly)
        for body in bodies:
            due = months.due(dict(body), today=today)
            found += [slot(account, profile, rule, body | {rule.month: month}, day) for month in due]
        waits = waits or months.waits
    return found, waits


def slot(account: str, profile: Profile, rule: CalendarRule, body: Mapping[str, str], when: str) -> Slot:
    """A message of a calendar, called by what is in its body, and when."""
    said = [body[name] for name in (*rule.each, rule.month) if name in body]
    name = "-".join([profile.type, rule.name, *said, when])
    frame = {"type": profile.type, "operation": rule.operation, "reference": name, "document": name, "body": body}
    return Slot(account, profile.type, rule.operation, name, orjson.dumps(frame, option=orjson.OPT_SORT_KEYS))


def by_hand(rules: Rules, profile: Profile, account: str, month: str, records: Snapshot, *, when: str) -> Iterator[Slot]:
    """The messages by which a person has a month merged now: what its calendars would begin, as far as there is something ready."""
    types = MergeTypes(rules, profile)
    for rule in profile.calendar.values():
        for values in product(*rule.each.values()) if rule.month else ():
            body = dict(rule.body) | dict(zip(rule.each, values, strict=True)) | {rule.month: month}
            if has_ready(types, dict(body), account, records, month=month):
                yield slot(account, profile, rule, body, when)


def begun(rules: Rules, slot: Slot, records: Snapshot, *, now: int) -> Outcome:
    """The outcome that makes a slot's message."""
    came = Arrival(slot.id, slot.account, f"{slot.name}.json", slot.raw, hashlib.sha256(slot.raw).hexdigest(), now)
    return replace(accept(rules, look_into(rules, came), records), who=WHO)


class Slots:
    """Makes what is due. `turn` may be called as often as one likes, and by anybody."""

    def __init__(self, site: Site) -> None:
        self._site = site
        #: of each calendar, for which day, and hour where that matters, all is there
        self._done: dict[tuple[str, str], tuple[str, int]] = {}

    def turn(self) -> bool:
        """Whether a slot was made."""
        made = False
        for profile in self._site.rules.types.values():
            for rule in profile.calendar.values():
                made |= self._look(profile, rule)
        return made

    def _look(self, profile: Profile, rule: CalendarRule) -> bool:
        site, moment, name = self._site, self._site.moment(), (profile.type, rule.name)
        when = day_and_hour(site.rules, rule, moment.business)
        if when is None:
            return False
        when = (when[0], when[1] if rule.month else 0)  # more may become ready within a day
        if self._done.get(name) == when:
            return False
        today = times.china_date(moment.business)
        with site.journal.read() as records:
            due, waits = slots_of_day(site.rules, profile, rule, when[0], records, today=today)
            known = records.messages(each.id for each in due)
            fresh = [(begun(site.rules, each, records, now=moment.now),) for each in due if each.id not in known]
        fates = site.journal.finish(fresh) if fresh else []
        for fate in fates:
            if isinstance(fate, Exception):
                raise fate
        if not waits and all(fate is Finished.WRITTEN for fate in fates):
            self._done[name] = when
        site.journal.ring()
        return Finished.WRITTEN in fates
