"""The door's work in one hand: files in, messages sealed (where the key is fast) or checked, one commit for all of it."""

from __future__ import annotations

import hashlib
import traceback
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial

from tongguan.codecs.checking.secrets import redacted
from tongguan.gateway.flow import answers
from tongguan.gateway.flow.intake.accept import BATCH, Arrival, accept, blank, carried, look_into, prefetch
from tongguan.gateway.flow.site import Site
from tongguan.gateway.flow.submission.check import decide_check, refuse
from tongguan.gateway.flow.submission.seal import act_seal, decide_seal
from tongguan.gateway.flow.submission.secrets import look_at_secrets
from tongguan.gateway.journal.reading.records import Records
from tongguan.gateway.model.errors import Held, StationBroken
from tongguan.gateway.model.ids import new_id
from tongguan.gateway.model.message import Message, State
from tongguan.gateway.model.outcome import Body, Chain, Finished, Outcome
from tongguan.gateway.model.record import replace
from tongguan.gateway.system import clock
from tongguan.gateway.work.loop import CRASHES, Step, attempt, hold
from tongguan.inbox.file_reader import Drop
from tongguan.inbox.mailbox import Mailbox


@dataclass(frozen=True, slots=True)
class Came:
    """A drop with the message it became."""

    drop: Drop
    message: Message
    before: bool = False  #: made by an earlier run, which did not carry its file away


def take(site: Site, mailbox: Mailbox, drops: Sequence[Drop]) -> tuple[list[Came], list[Chain]]:
    """Journal what was dropped, and tell the mailbox of each file that is committed; what becomes of the others is its matter.

    A file that was in hand when the gateway ended without a word is taken alone, and held after the third time.
    """
    known = _known_already(site, drops)
    for each in known:
        mailbox.committed(each.drop, each.message.id)
    names = {each.drop.name for each in known}
    drops = [drop for drop in drops if drop.name not in names]
    if not drops:
        return known, []
    came, written = _take(site, mailbox, drops)
    return [*known, *came], written


def _known_already(site: Site, drops: Sequence[Drop]) -> list[Came]:
    """Files whose message was committed by a run that ended before it could carry them to `work/`.

    Such a file has not been touched (a rename would be, to its change time) since its message was made: what is dropped
    again is another matter. Where the clock was set back meanwhile, its times prove nothing: then the file is taken anew, which tells its
    first outcome again.
    """
    twice = site.journal.timekeeper.came_twice
    old = [drop for drop in drops if drop.changed_at_ms < site.journal.opened_at and not twice(drop.changed_at_ms)]
    if not old:
        return []
    with site.journal.read() as records:
        records.fetch_names([(drop.account, drop.name) for drop in old])
        before = {drop.name: records.newest_under(drop.account, drop.name) for drop in old}
    return [
        Came(drop, message, before=True)
        for drop in old
        if (message := before[drop.name]) is not None
        and message.sha256 == drop.sha256
        and drop.changed_at_ms < message.received_at
        and not twice(message.received_at)
    ]


def _take(site: Site, mailbox: Mailbox, drops: Sequence[Drop]) -> tuple[list[Came], list[Chain]]:
    keys = [f"file:{drop.account}/{drop.name}/{drop.sha256}" for drop in drops]
    claim = site.journal.claim_keys(f"door:{mailbox.account}", keys)
    mine = [drop for drop, key in zip(drops, keys, strict=True) if key in claim.keys]
    if claim.crashes >= CRASHES:
        en = "the gateway crashed three times with this file in hand"
        culprit = _culprit(site, mine[0], "处理此文件时网关三次崩溃", en)
        return _held(site, mailbox, mine[0], culprit, token=claim.token)
    try:
        pairs = [(d, look_into(site, d.account, d.name, raw=d.raw or b"", sha256=d.sha256, problem=d.problem)) for d in mine]
        items = [item for _, arrival in pairs if arrival.read for item in arrival.read.items]
        look_at_secrets(site, mailbox.account, {item.type for item in items})
        return _settle(site, mailbox, pairs, claim.token)
    except Exception as wrong:
        site.journal.give_back(claim.token)
        if isinstance(wrong, StationBroken):
            raise
        if isinstance(wrong, OSError | MemoryError):  # the machine's fault, and no file's
            raise StationBroken(f"door: {wrong}") from wrong
        return _bug(site, mailbox, mine[0], wrong) if len(mine) == 1 else _one_by_one(site, mailbox, mine)


def _one_by_one(site: Site, mailbox: Mailbox, drops: Sequence[Drop]) -> tuple[list[Came], list[Chain]]:
    """After a bug with several files in hand: only the one that it belongs to is held."""
    came: list[Came] = []
    written: list[Chain] = []
    for drop in drops:
        more = _take(site, mailbox, [drop])
        came += more[0]
        written += more[1]
    return came, written


def _bug(site: Site, mailbox: Mailbox, drop: Drop, bug: Exception) -> tuple[list[Came], list[Chain]]:
    text = "".join(traceback.format_exception(bug))[-4000:]
    outcome = _culprit(site, drop, f"程序错误：读取时的 {type(bug).__name__}", f"{type(bug).__name__} in read")
    outcome = replace(outcome, message=replace(outcome.message, extra={"traceback": text}))
    return _held(site, mailbox, drop, outcome)


def _held(
    site: Site, mailbox: Mailbox, drop: Drop, outcome: Outcome, *, token: int | None = None
) -> tuple[list[Came], list[Chain]]:
    """Journal one file as a message that a person must look at."""
    if site.journal.finish([(outcome,)], token=token)[0] is not Finished.WRITTEN:
        return [], []
    mailbox.committed(drop, outcome.message.id)
    return [Came(drop, outcome.message)], [(outcome,)]


def _culprit(site: Site, drop: Drop, zh: str, en: str) -> Outcome:
    raw = redacted(drop.name, drop.raw or b"", site.secrets)
    sha256 = hashlib.sha256(raw).hexdigest() if drop.raw and raw is not drop.raw else drop.sha256
    arrival = Arrival(new_id(), drop.account, drop.name, raw, sha256, None, (), clock.now_ms())
    message = blank(arrival)
    held = Held(zh, en, do=f"tongguan show {message.id}; tongguan give-up {message.id}")
    return replace(hold(message, "read", held), was=None, bodies=(Body(message.id, "source", raw),))


def _settle(site: Site, mailbox: Mailbox, pairs: list[tuple[Drop, Arrival]], token: int) -> tuple[list[Came], list[Chain]]:
    came: list[Came] = []
    written: list[Chain] = []
    claim: int | None = token
    cautious = False
    for _ in range(5):
        chains = _chains(site, [arrival for _, arrival in pairs], cautious=cautious)
        words = site.journal.finish(chains, token=claim)
        claim = None
        written += [chain for chain, word in zip(chains, words, strict=True) if word is Finished.WRITTEN]
        again = []
        for (drop, arrival), chain, word in zip(pairs, chains, words, strict=False):  # after them come the items of batches
            if word is Finished.WRITTEN:
                mailbox.committed(drop, chain[-1].message.id)
                came.append(Came(drop, chain[-1].message))
            elif isinstance(word, Exception) and cautious:
                held = _bug(site, mailbox, drop, word)
                came += held[0]
                written += held[1]
            else:
                again.append((drop, arrival))
        pairs, cautious = again, True
        if not pairs:
            break
    return came, written


def _chains(site: Site, arrivals: Sequence[Arrival], *, cautious: bool) -> list[Chain]:
    """Every arrival as far as it goes in one hand, then the items of batches; `cautious` stops after accepting.

    An item that something moved under stays received, and the read station takes it up.
    """
    with site.journal.read() as records:
        prefetch(arrivals, records)
        chains: dict[str, list[Outcome]] = {arrival.id: [] for arrival in arrivals}
        for arrival in arrivals:
            chains[arrival.id].append(_accepted(site, arrival, records))
            if not cautious:
                _check_now(site, arrival, chains, records)
        if not cautious:
            _seal_now(site, chains, records)
    return [tuple(chain) for chain in chains.values()]


def _accepted(site: Site, arrival: Arrival, records: Records) -> Outcome:
    first = attempt(Step("read", lambda m, a, r: accept(site, arrival, r)), blank(arrival), None, records)
    first = replace(first, was=None)  # whatever came of it, there was no message before
    first = answers.where_refused(site, first)
    records.see(first)
    return first


def _check_now(site: Site, arrival: Arrival, chains: dict[str, list[Outcome]], records: Records) -> None:
    """Check what was accepted, item by item, unless it must wait for an earlier one."""
    first = chains[arrival.id][0]
    step = Step(
        "check", lambda m, a, r: decide_check(site, m, a, r), refuse=partial(refuse, site), wait=lambda m, d: site.next_try(m)
    )
    for accepted in (first, *first.follow_ons):
        message = accepted.message
        if message.state is not State.RECEIVED or message.operation == BATCH or records.waits_for_earlier(message):
            continue
        outcome = attempt(step, message, carried(arrival.read, message) if arrival.read else None, records)
        records.see(outcome)
        chains.setdefault(message.id, []).append(outcome)


def _seal_now(site: Site, chains: Mapping[str, list[Outcome]], records: Records) -> None:
    """Seal in the same hand what a fast key signs."""
    ready = [c[-1].message for c in chains.values() if c[-1].message.state is State.CHECKED and site.signs_at_once(c[-1].message)]
    if not ready:
        return
    step = Step("seal", partial(decide_seal, site), refuse=partial(refuse, site), wait=lambda m, d: site.next_try(m))
    for message, answer in zip(ready, act_seal(site, ready, records), strict=True):
        if isinstance(answer, Exception):
            continue
        outcome = attempt(step, message, answer, records)
        records.see(outcome)
        chains[message.id].append(outcome)
