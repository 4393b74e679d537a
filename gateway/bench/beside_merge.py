"""What a merge of a month costs others: how long another account's messages take while it runs, in turn with the time without; and what
a list costs more to be stored for its keys.

The lists are copies of a sample message that are ready to be merged (`context.LISTS`); nothing here knows the types.
"""

from __future__ import annotations

import json
import statistics as middle
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

from lxml import etree

from tongguan.codecs.checking.compile import compile_all
from tongguan.gateway.bench.context import LISTS, authority, drop, mailbox, put, samples
from tongguan.gateway.bench.lists import ListsAsked, NewHome, cpu_of_lists
from tongguan.gateway.bench.process import RunningGateway, running_gateway
from tongguan.gateway.document.changes import value_at
from tongguan.gateway.document.lines import with_keys
from tongguan.gateway.flow.merging.selection import MergeTypes
from tongguan.gateway.flow.rules import Rules
from tongguan.gateway.journal.journal import Journal
from tongguan.gateway.model.document import Content, Document
from tongguan.gateway.model.ids import new_id
from tongguan.gateway.model.message import MERGE, Kind, Message, State
from tongguan.gateway.model.outcome import Outcome
from tongguan.gateway.model.record import replace
from tongguan.gateway.profile.loading import load_profiles
from tongguan.gateway.settings import read_settings
from tongguan.gateway.system import clock

_OTHER = "other"  #: the account whose messages are measured
_DAY = "2026-10-{:02d}"  #: of a month for which there are rates
_OF_ONE_HEAD = 25  #: lists
_AT_ONCE = 100  #: documents that are written at once
_REFERENCE = "merge-of-bench"
_PAUSE, _LOOK = 0.02, 0.001
_KEYED = 400  #: lists whose keys are made and stored for measuring that


@dataclass(frozen=True, slots=True)
class _Latency:
    """Milliseconds from a file's rename to the status file that says sent."""

    without: Sequence[float]
    beside: Sequence[float]
    seconds: float  #: that the merge took


def measure_beside(new_home: NewHome, lists: int, messages: int, rounds: int) -> str:
    """Messages of another account, one at a time: so many by turns beside a merge of so many lists that works, and that is paused."""
    every = [_round(new_home, lists, messages) for _ in range(rounds)]
    p50, p99 = (middle.median(_at(each.beside, part) / _at(each.without, part) for each in every) for part in (0.5, 0.99))
    without, beside = ([ms for each in every for ms in getattr(each, word)] for word in ("without", "beside"))
    return (
        f"while {lists} lists are merged ({middle.median(each.seconds for each in every):.1f} s)"
        f" another account's message p50 {_at(beside, 0.5):.1f} ms p99 {_at(beside, 0.99):.1f} ms,"
        f" without p50 {_at(without, 0.5):.1f} ms p99 {_at(without, 0.99):.1f} ms, ratio {p50:.2f} and {p99:.2f}"
    )


def _at(waits: Sequence[float], part: float) -> float:
    """The time within which this part of them was done."""
    return sorted(waits)[min(len(waits) - 1, int(len(waits) * part))]


def _round(new_home: NewHome, lists: int, messages: int) -> _Latency:
    """While the merge is under way its account is paused and resumed by turns, so that both are measured on the same machine."""
    with new_home() as made:
        _with_other_account(made)
        types, content = _merged(made)
        _fill(made, types, content, lists)
        with authority(made, 0, full=False), running_gateway(made, 1) as gateway:
            every, waits = _waits(gateway), {False: list[float](), True: list[float]()}
            time.sleep(1)
            put(made, "merge.json", _merge(types, content))
            began, paused = time.perf_counter(), 0.0
            while not _ended(gateway):
                waits[True] += islice(every, messages)
                resumed = time.perf_counter()
                with _paused(gateway):
                    waits[False] += islice(every, messages)
                paused += time.perf_counter() - resumed
            return _Latency(waits[False], waits[True], time.perf_counter() - began - paused)


@contextmanager
def _paused(gateway: RunningGateway) -> Iterator[None]:
    """The lists' account does nothing for this time."""
    try:
        _order(gateway, "pause")
        yield
    finally:
        _order(gateway, "resume")


def _order(gateway: RunningGateway, do: str) -> None:
    with gateway.journal() as client:
        id_ = client.give_order("bench", "a measurement", {"do": do, "what": "account", "name": "demo"})
        while True:
            with client.search() as records:
                if records.order_result(id_)[0] is not None:
                    return
            time.sleep(_PAUSE)


def _with_other_account(made: Path) -> None:
    """Another account of the same enterprise, with the same cards; and the calendar merges nothing."""
    path = made / "tongguan.toml"
    text = path.read_text("utf-8")
    begin, end = text.index("[[account]]"), text.index("\n[route.")
    second = text[begin:end].replace("demo", _OTHER).replace(f"cards/{_OTHER}", "cards/demo")
    path.write_text(f'{text[:end]}\n{second}{text[end:]}\n[schedule]\nmerge = "ask"\n', "utf-8")


def _waits(gateway: RunningGateway) -> Iterator[float]:
    status, n = gateway.home / "mailboxes" / _OTHER / "Status", 0
    while True:
        began = time.perf_counter()
        drop(gateway.home, 1, first=n, folder=f"mailboxes/{_OTHER}/OutBox")
        file = status / f"m{n:07d}.xml.status.json"
        while not (file.exists() and b'"sent"' in file.read_bytes()):
            time.sleep(_LOOK)
            gateway.must_run()
        yield (time.perf_counter() - began) * 1000
        time.sleep(_PAUSE)
        n += 1


def _ended(gateway: RunningGateway) -> bool:
    """Has the merge come to its end, and all that it made?"""
    path = mailbox(gateway.home) / "Status" / "merge.json.status.json"
    told = json.loads(path.read_bytes()) if path.exists() else {"state": ""}
    if told["state"] in ("refused", "held", "rejected") or told.get("business_status", {}) is None:
        raise RuntimeError(f"the merge: {told}")
    with gateway.journal() as client, client.search() as records:
        return told["state"] == "accepted" and not records.open_messages("demo", 1)


# What is merged


def _merged(made: Path) -> tuple[MergeTypes, Content]:
    """The types of a merge, and what the sample list says."""
    rules = Rules(read_settings(made), compile_all(load_profiles()))
    root = etree.fromstring(samples(LISTS)[-1])
    profile = next(p for p in rules.types.values() if p.merge is not None and p.merge.merges == etree.QName(root).localname)
    types = MergeTypes(rules, profile)
    lines = types.merged.lines
    assert lines is not None
    table, content = lines.table.removesuffix("[]"), dict[str, Any]()
    for element in root:
        name = etree.QName(element).localname
        if name == table:
            content.setdefault(table, []).append({etree.QName(cell).localname: cell.text for cell in element})
        else:
            content[name] = element.text
    return types, content


def _documents(types: MergeTypes, content: Content, count: int) -> Iterator[Document]:
    """Lists that are ready, each some of one head, on all days of a month."""
    lines, rule = types.merged.lines, types.rule
    assert lines is not None
    fields = {field.path: field for field in types.merged.fields}
    texts = [part.name for part in lines.head_key if fields[part.name].type == "text" and not fields[part.name].pattern]
    differs = next(name for name in texts if name in content)
    for n in range(count):
        day = _DAY.format(n % 28 + 1)
        own = {**content, lines.day: day, differs: f"{content[differs]} {n // _OF_ONE_HEAD}"}
        own |= {lines.rates: day} if lines.rates else {}
        numbers = {kind: f"{n:018d}" for kind in types.merged.numbers}
        at = clock.now_ms()
        yield Document(new_id(), "demo", types.merged.type, f"list-{n}", "", 1, rule.ready, at, at, own, numbers)


def _fill(made: Path, types: MergeTypes, content: Content, lists: int) -> None:
    journal = Journal.open(read_settings(made).database.url, made)
    every = _documents(types, content, lists)
    while part := [with_keys(types.merged, None, document) for document in islice(every, _AT_ONCE)]:
        _store(journal, part)
    journal.close()


def _store(journal: Journal, documents: Sequence[Document]) -> None:
    now = clock.now_ms()
    message = Message(new_id(), Kind.SUBMISSION, "demo", documents[0].type, "declare", State.ACCEPTED, now, now)
    journal.finish([(Outcome(message, None, "check", documents=tuple(documents)),)])


def _merge(types: MergeTypes, content: Content) -> bytes:
    """The message that has all of them merged."""
    lines = types.merged.lines
    assert lines is not None
    rule = next(each for each in types.profile.calendar.values() if each.month)
    pool = {path: value_at(content, path) for path in lines.pool}
    body = {**rule.body, **pool, rule.month: _DAY[:7]}
    return json.dumps({"type": types.profile.type, "operation": MERGE, "reference": _REFERENCE, "body": body}).encode()


# What its keys cost a list


def measure_keys(asked: ListsAsked) -> str:
    """Processor time of a list from OutBox to its receipts, and what of it making and storing its keys is: stored with them in turn with without."""
    pairs = []
    for _ in range(asked.rounds):
        with asked.home() as made:
            pairs.append((cpu_of_lists(asked), _cost(made)))
    whole, keys = (middle.median(column) for column in zip(*pairs, strict=True))
    ratio = middle.median(cpu / (cpu - cost) for cpu, cost in pairs)
    return f"a list with keys CPU {whole:.2f} ms, of it {keys:.2f} ms for them, ratio {ratio:.3f}"


def _cost(made: Path) -> float:
    """Milliseconds a list."""
    types, content = _merged(made)
    journal = Journal.open(read_settings(made).database.url, made)
    spent = {True: 0.0, False: 0.0}
    documents = list(_documents(types, content, 2 * _KEYED))
    for n in range(0, len(documents), 2 * _AT_ONCE):
        for keyed, begin in ((True, n), (False, n + _AT_ONCE)):
            part = documents[begin : begin + _AT_ONCE]
            began = time.process_time()
            _store(journal, [with_keys(types.merged, None, each) if keyed else replace(each, keyed=None) for each in part])
            spent[keyed] += time.process_time() - began
    journal.close()
    return (spent[True] - spent[False]) * 1000 / _KEYED
