"""Lists of many lines, and filings that wait for an approval: beside what is simpler, in the same run.

What must be filed and approved before is a sample message of its type, as the lists are (`context.LISTS`): nothing here knows the types.
"""

from __future__ import annotations

import json
import statistics as middle
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lxml import etree

from tongguan.gateway.bench.context import BESIDE_LISTS, LISTS, authority, count, drop, lay_ready, let_in, mailbox, put, samples
from tongguan.gateway.bench.process import RunningGateway, running_gateway
from tongguan.gateway.model.message import Message, State
from tongguan.gateway.profile.loading import load_profiles
from tongguan.gateway.profile.profile import Profile
from tongguan.gateway.settings import read_settings

NewHome = Callable[[], AbstractContextManager[Path]]
_COMMENT = b"<!--%b-->\n"
_QUIET = 1.0  #: seconds in which whatever follows a move has been done


@dataclass(frozen=True, slots=True)
class ListsAsked:
    """How much, how often, and by how many processes of the gateway; `home` makes a new one for the time of a measurement."""

    home: NewHome
    messages: int
    rounds: int
    processes: int


def measure_lists(asked: ListsAsked) -> str:
    """Declared lists, in turn with messages of another type that are as long; from OutBox to the receipts applied."""
    *before, text = samples(LISTS)
    other = _padded(samples(BESIDE_LISTS)[0], len(text))
    pairs = [(_lists(asked, before, text), _beside(asked, other)) for _ in range(asked.rounds)]
    mine, others = ([middle.median(column) for column in zip(*each, strict=True)] for each in zip(*pairs, strict=True))
    ratio = middle.median(each[0] / beside[0] for each, beside in pairs)
    of = f"n={asked.messages} rounds={asked.rounds} of {_rows(text)} lines, {len(text)} bytes, CPU {mine[1]:.2f} ms a message"
    beside = f"{_type(other)} of {len(other)} bytes {others[0]:.1f} msgs/s, CPU {others[1]:.2f} ms"
    return f"{mine[0]:.1f} msgs/s lists {of} | {beside}, ratio {ratio:.2f}"


def cpu_of_lists(asked: ListsAsked) -> float:
    """Milliseconds of processor time of a declared list, from OutBox to its receipts."""
    *before, text = samples(LISTS)
    return _lists(asked, before, text)[1]


def measure_waking(asked: ListsAsked) -> str:
    """Filings that wait for one approval, from that to the last one sealed, in turn with those that need not wait, from OutBox."""
    before, text, *_ = samples(LISTS)
    pairs = [(_woken(asked, before, text), _at_once(asked, before, text)) for _ in range(asked.rounds)]
    waited, others = (middle.median(column) for column in zip(*pairs, strict=True))
    ratio = middle.median(mine / other for mine, other in pairs)
    what = f"{asked.messages / waited:.1f} msgs/s waking n={asked.messages} rounds={asked.rounds} that waited for one approval, {waited:.1f} s"
    return f"{what} | that need not wait {asked.messages / others:.1f} msgs/s, {others:.1f} s, ratio of times {ratio:.2f}"


def _lists(asked: ListsAsked, before: list[bytes], text: bytes) -> tuple[float, float]:
    with _gateway(asked, text) as gateway:
        for n, filed in enumerate(before):
            _approved(gateway, filed, name=f"before-{n}")
        return _rate(asked, gateway, text)


def _beside(asked: ListsAsked, text: bytes) -> tuple[float, float]:
    with _gateway(asked, text) as gateway:
        return _rate(asked, gateway, text)


def _rate(asked: ListsAsked, gateway: RunningGateway, text: bytes) -> tuple[float, float]:
    """Messages a second, from files that lie in OutBox to their answers, and milliseconds of processor time a message."""
    inbox = mailbox(gateway.home) / "InBox"
    answers = count(inbox)
    lay_ready(gateway.home, asked.messages, text=text)
    gateway.begin()
    let_in(gateway.home)
    took = gateway.until(lambda: count(inbox) - answers, asked.messages)
    return asked.messages / took, gateway.used.seconds * 1000 / asked.messages


def _woken(asked: ListsAsked, before: bytes, text: bytes) -> float:
    with _gateway(asked, text) as gateway:
        awaited = _declared(gateway, before, name="before")
        drop(gateway.home, asked.messages, text=_numbered(text))
        gateway.begin()
        gateway.until(lambda: gateway.tally(State.RECEIVED), asked.messages)
        time.sleep(_QUIET)
        gateway.begin()
        _approve(gateway, awaited)
        return gateway.until(lambda: gateway.tally(State.SEALED, State.SENT), asked.messages)


def _at_once(asked: ListsAsked, before: bytes, text: bytes) -> float:
    with _gateway(asked, text) as gateway:
        _approved(gateway, before, name="before")
        lay_ready(gateway.home, asked.messages, text=_numbered(text))
        gateway.begin()
        let_in(gateway.home)
        return gateway.until(lambda: gateway.tally(State.SEALED, State.SENT), asked.messages)


@contextmanager
def _gateway(asked: ListsAsked, text: bytes) -> Iterator[RunningGateway]:
    """A gateway in a new home, before the authority to which messages like this go."""
    named = load_profiles()[_type(text)].authority
    with asked.home() as made, authority(made, 0, full=False, named=named), running_gateway(made, asked.processes) as gateway:
        yield gateway


def _approved(gateway: RunningGateway, text: bytes, *, name: str) -> None:
    """Have a document approved."""
    accepted = gateway.tally(State.ACCEPTED)
    _approve(gateway, _declared(gateway, text, name=name))
    gateway.until(lambda: gateway.tally(State.ACCEPTED), accepted + 1)


def _declared(gateway: RunningGateway, text: bytes, *, name: str) -> Message:
    """Declare a document; its message, once the authority has it."""
    sent = gateway.tally(State.SENT)
    put(gateway.home, f"{name}.xml", text)
    gateway.until(lambda: gateway.tally(State.SENT), sent + 1)
    with gateway.journal() as client, client.search() as records:
        return records.find(str(etree.fromstring(text).get("reference")))[-1]


def _approve(gateway: RunningGateway, message: Message) -> None:
    """Have the authority say of a message what others wait for."""
    profiles, settings = load_profiles(), read_settings(gateway.home)
    profile = profiles[message.type]
    said = {
        "account": getattr(settings.account[0], profile.account_code),
        "type": message.type,
        "message": message.wire_id,
        "code": _approval(profiles, profile),
    }
    url = f"{settings.route[profile.authority].url}/v1/verdicts"
    order = urllib.request.Request(url, json.dumps(said).encode(), method="POST")
    with urllib.request.urlopen(order, timeout=10):
        pass


def _approval(profiles: dict[str, Profile], profile: Profile) -> str:
    """The receipt that brings a document of this type into a status in which others rely on it."""
    needs = (need for each in profiles.values() for need in each.needs.values() if need.type == profile.type)
    wanted = {status for need in needs for status in need.status}
    return next(rule.code for rule in profile.receipts.values() if rule.status in wanted and rule.ends == "accepted")


def _numbered(text: bytes) -> bytes:
    """A sample under the reference that those of a measurement are counted up from."""
    reference = str(etree.fromstring(text).get("reference")).encode()
    return text.replace(b'reference="%b"' % reference, b'reference="bench-0"')


def _padded(text: bytes, length: int) -> bytes:
    """A message of so many bytes, where it is a little shorter."""
    head, end, name = text.rpartition(b"</")
    lacks = length - len(text) - len(_COMMENT % b"")
    return head + _COMMENT % (b" " * lacks) + end + name if lacks >= 0 else text


def _type(text: bytes) -> str:
    return str(etree.QName(etree.fromstring(text)).localname)


def _rows(text: bytes) -> int:
    """How many rows the longest table of a message has."""
    names: dict[Any, int] = {}
    for element in etree.fromstring(text):
        names[element.tag] = names.get(element.tag, 0) + 1
    return max(names.values())
