"""Messages of every kind for the crash tests, what each must come to, and whether it did, once."""

from __future__ import annotations

import itertools
import os
import random
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from typing import Any

import bodies as b
from crash_support import APPLICATION, INSPECTION, KEY, Authorities, example, of_second
from lxml import etree
from sites import FINAL, Site, wait_until
from told import not_told, promised_in_vain

MARKERS = ("", "", "", "!drop-answer", "!503=1", "!lose=1", "!duplicate", "!wrong-signature=technical", "!slow=300ms")
AT_ONCE = "!pace=10ms"
KINDS = {"right": 7, "wrong": 2, "broken": 1, "inspection": 1, "batch": 1, "query": 1, "print": 1, "slow": 1}
_entries = itertools.count(90220261000000001)
_serials = itertools.count(1)


@dataclass(frozen=True)
class Wanted:
    """What a dropped file must come to."""

    account: Site
    ends: str = "accepted"
    declares: tuple[str, ...] = ()  #: references that MOFCOM must have once
    never: tuple[str, ...] = ()  #: references that it must never have
    results: int = 0  #: result files in InBox
    responses: int = 1  #: technical responses in InBox

    def response_to(self, name: str) -> str:
        """What the names of the technical responses to this file begin with."""
        return f"{'Successed' if self.ends == 'accepted' else 'Failed'}_{name[:-4]}_"

    def has_come(self, name: str) -> bool:
        """Is the message final, and are its technical responses there?"""
        status = self.account.status(name)
        if status is None or status["state"] not in FINAL:
            return False
        return len(self.account.inbox(self.response_to(name))) >= self.responses


class Feeder:
    """Drops messages of every kind, so many at a time; remembers what each must come to."""

    def __init__(self, site: Site, chance: random.Random, *, markers: Sequence[str] = MARKERS) -> None:
        self._chance, self._markers = chance, markers
        self._demo, self._second = site, of_second(site)
        self.wanted: dict[str, Wanted] = {}  #: by file name

    @contextmanager
    def feeding(self, count: int) -> Iterator[None]:
        """Drop so many messages in a few portions while something else goes on."""
        thread = threading.Thread(target=self._feed, args=(count,))
        thread.start()
        try:
            yield
        finally:
            thread.join()

    def _feed(self, count: int) -> None:
        for _ in range(count):
            self.drop(*self._chance.choices([*KINDS], [*KINDS.values()]))
            if self._chance.random() < 0.4:
                time.sleep(self._chance.uniform(0.02, 0.3))

    def drop(self, kind: str) -> str:
        """Drop a message of this kind; its file's name."""
        reference = f"k{os.getpid()}-{next(_serials)}"
        content, wanted = _made(kind, self._demo, self._second, reference, self._chance.choice(self._markers))
        name = f"{reference.partition('-')[2]:0>6}-{kind}.xml"
        self.wanted[name] = wanted
        try:
            wanted.account.drop(content, name=name)
        except OSError:
            del self.wanted[name]  # no room for it: it was never there
            (wanted.account.mailbox / "OutBox" / f"{name}.tmp").unlink(missing_ok=True)
        return name


def _made(kind: str, demo: Site, second: Site, reference: str, marker: str) -> tuple[bytes, Wanted]:
    match kind:
        case "right":
            reference += marker
            return example(APPLICATION, "ok-declare.xml", reference), Wanted(demo, declares=(reference,))
        case "slow":
            reference += AT_ONCE
            return example(APPLICATION, "ok-declare.xml", reference), Wanted(second, declares=(reference,))
        case "wrong":
            return example(APPLICATION, "bad-NA-R05.xml", reference), Wanted(demo, "refused", never=(reference,))
        case "broken":
            return b"<NA.application", Wanted(demo, "refused")
        case "batch":
            items = [f"{reference}-{n}{AT_ONCE}" for n in range(2)]
            roots = [etree.fromstring(example(APPLICATION, "ok-declare.xml", item)) for item in items]
            return b.batch(roots, reference), Wanted(demo, declares=tuple(items), responses=1 + len(items))
        case "query":
            return b.xml(b.query(b.APPLICATION, "status", document=KEY, reference=reference)), Wanted(
                demo, results=1, responses=0
            )
        case "print":
            form = {"Form": "licence"}
            root = b.message(b.APPLICATION, "print", set_=form, document=KEY, reference=reference)
            return b.xml(root), Wanted(demo, results=1)
        case _:
            entry = next(_entries)
            content = example(INSPECTION, "ok-save.xml", reference, {"EntryId": f"{entry:018d}"})
            return content, Wanted(demo, "accepted" if entry <= 90220261000000099 else "rejected")


def settle(site: Site, wanted: dict[str, Wanted], on_held: Callable[[list[dict[str, Any]]], None]) -> None:
    """Wait for the end of all, and for what is owed to them; `on_held` is told what waits for a person meanwhile."""
    left: dict[str, dict[str, Any] | None] = dict.fromkeys(wanted)

    def all_ended() -> bool:
        for name in list(left):
            left[name] = wanted[name].account.status(name)
            if wanted[name].has_come(name):
                del left[name]
        if held := [s for s in left.values() if s is not None and s["state"] == "held"]:
            on_held(held)
        return not left

    try:
        wait_until(all_ended, f"{len(wanted)} messages to end", 60)
    except AssertionError as late:
        raise AssertionError(f"{late}: {len(left)} did not end: {list(left.items())[:5]}") from None
    wait_until(lambda: not [*site.home.glob("mailboxes/*/work/*.xml")], "work/ to be empty")


def assert_once(authorities: Authorities, site: Site, wanted: dict[str, Wanted]) -> None:
    """Each file has come to what it must, in one place, and nothing has taken effect twice."""
    declared = authorities.declared()
    with closing(sqlite3.connect(site.home / "tongguan.db")) as base:
        known = base.execute(
            "SELECT account, reference, count(*) FROM message WHERE kind = 'submission' AND state <> 'repeated' GROUP BY 1, 2"
        ).fetchall()
    wrong = [f"{reference}: {count} messages" for _, reference, count in known if reference and count > 1]
    for name, its in wanted.items():
        status = its.account.status(name)
        assert status is not None
        if status["state"] != its.ends or its.account.places(name) != ["FailBox" if its.ends == "refused" else "SentBox"]:
            wrong.append(f"{name}: {status['state']} in {its.account.places(name)}, wanted {its.ends}: {status['faults']}")
        if any(item["state"] != "accepted" for item in status["items"]):
            wrong.append(f"{name}: {status['items']}")
        wrong += [f"{name}: {each} declared {declared.get(each)}" for each in its.declares if declared.get(each) != [1]]
        wrong += [f"{name}: {each} declared although {its.ends}" for each in its.never if each in declared]
        if len(results := its.account.inbox(f"Result_{name[:-4]}_")) != its.results:
            wrong.append(f"{name}: {len(results)} results: {results}")
        if len(responses := its.account.inbox(its.response_to(name))) != its.responses:
            wrong.append(f"{name}: {len(responses)} technical responses: {responses}")
    for account in (site, of_second(site)):
        wrong += [f"told and not there: {each}" for each in promised_in_vain(account)]
        wrong += [f"there and not told: {each}" for each in not_told(account)]
    assert not wrong, wrong
