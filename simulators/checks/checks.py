"""Look at a document before it is taken, or before a receipt is issued, as the checks of its script say.

The kinds of ``[[check]]``: ``pattern`` (every text at the path has the form), ``count`` (so many are there: ``least``, ``most``),
``account`` (the text is the account's own code here), ``trader`` (or that of one that it acts for), ``known`` (the authority's book ``table`` has it), ``record`` (the book's
entry has ``field`` equal to ``value``, among the list ``among``, or, with neither, equal to the account's code; with ``columns``:
the texts at these paths are the entry's), ``unclaimed`` (no other document has claimed it, save one whose status is in ``frees``
or whose day ``until`` is over; what holds is claimed) and ``registered`` (the account has a document of the type ``kind`` in one
of ``status``, or the book ``table`` has the account); ``fields`` (the form is that of ``fields.csv``: ``form.py``); ``named``,
``filed``, ``alike``, ``unchanged``, ``last_days`` (``filings.py``); ``covered`` (``licences.py``); ``old``, ``changed``
(``changes.py``); ``collected`` (``collected.py``); ``declared`` (``made_documents.py``).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping

from tongguan.simulators.checks.changes import changed_target, old_texts, target_of
from tongguan.simulators.checks.collected import collected
from tongguan.simulators.checks.filings import alike, columns_of, filed, joined, lapsed, last_days, named, unchanged
from tongguan.simulators.checks.form import wrong_fields
from tongguan.simulators.checks.licences import covered
from tongguan.simulators.checks.subject import Subject, fault_of
from tongguan.simulators.customs.made_documents import declared
from tongguan.simulators.messages.markup import first, parse, values
from tongguan.simulators.script.decision_tables import chosen
from tongguan.simulators.script.script import Check
from tongguan.simulators.script.traders import trader_of
from tongguan.simulators.server.office import Fault, Office

Look = Callable[[Office, Check, Subject], Iterator[Fault]]


def faults_of(office: Office, checks: list[Check], subject: Subject) -> list[Fault]:
    """List everything that the checks find wrong."""
    return [fault for check in checks if _concerns(office, check, subject) for fault in _look(check)(office, check, subject)]


def faults_before(office: Office, code: str, subject: Subject) -> list[Fault]:
    """List what the checks before a code find wrong."""
    return faults_of(office, [check for check in office.scripts[subject.type].checks if code in check.before], subject)


def claim_all(office: Office, checks: list[Check], subject: Subject) -> None:
    """Claim for a document, which is known by now, everything that its checks wanted unclaimed."""
    for check in checks:
        if check.check == "unclaimed" and subject.known is not None and _concerns(office, check, subject):
            for text in _claimed(office, check, subject):
                office.store.claim(check.kind, text, subject.known.id)


def claim_before(office: Office, code: str, subject: Subject) -> None:
    """Claim what the checks before a code wanted unclaimed."""
    claim_all(office, [check for check in office.scripts[subject.type].checks if code in check.before], subject)


def _concerns(office: Office, check: Check, subject: Subject) -> bool:
    choice, _, value = check.only.partition("=")
    script = office.script(subject.type)
    return not choice or (script is not None and chosen(script.choices[choice], subject.document) == value)


def _look(check: Check) -> Look:
    return KINDS.get(check.check, _first_wrong)


def _first_wrong(office: Office, check: Check, subject: Subject) -> Iterator[Fault]:
    """Tell the first text at the path for which a check does not hold, or how many there are in place of those that should be."""
    told = values(subject.document, check.at)
    wrong = next((text for text in told if not _holds(office, check, subject, text)), None)
    if check.check == "count" and not check.least <= len(told) <= check.most:
        wrong = str(len(told))
    if wrong is not None:
        yield fault_of(office, check, subject, check.at, value=wrong)


def _holds(office: Office, check: Check, subject: Subject, text: str) -> bool:
    account = subject.account
    record = office.settings.records.get(check.table, {}).get(text)
    match check.check:
        case "pattern":
            return re.fullmatch(check.pattern, text) is not None
        case "count":
            return True
        case "account":
            return text == account
        case "trader":
            return office.settings.acts(office.authority, account, text)
        case "known":
            return record is not None
        case "record" if record is None:
            return True  # the check "known" tells it
        case "record" if check.among:
            return record is not None and record.get(check.field) in office.settings.lists.get(check.among, ())
        case "record":
            own = trader_of(office.script(subject.type), subject.document, account)
            return record is not None and record.get(check.field) == (own if check.value is None else check.value)
        case "registered":
            there = office.store.has_document(account, check.kind, check.status)
            return there or account in office.settings.records.get(check.table, {})
        case other:
            raise ValueError(f"no such check: {other!r}")


def _record(office: Office, check: Check, subject: Subject) -> Iterator[Fault]:
    return columns_of(office, check, subject) if check.columns else _first_wrong(office, check, subject)


def _unclaimed(office: Office, check: Check, subject: Subject) -> Iterator[Fault]:
    for text in _claimed(office, check, subject):
        holder = office.store.claimant(check.kind, text)
        own = subject.known is not None and holder is not None and holder.id == subject.known.id
        if holder is not None and not own and holder.status not in check.frees and not lapsed(office, check, holder):
            yield fault_of(office, check, subject, check.at, value=text)


def _claimed(office: Office, check: Check, subject: Subject) -> list[str]:
    """List what is claimed: the texts at the path, or the document that they name."""
    texts = [text] if "+" in check.at and (text := joined(subject.document, check.at)) else values(subject.document, check.at)
    if not check.named:
        return texts
    account = first(subject.document, [check.owner]) if check.owner else subject.account
    found = [office.store.find_document(account, check.named, [text]) for text in texts]
    return [str(one.id) for one in found if one is not None]


def _fields(office: Office, check: Check, subject: Subject) -> Iterator[Fault]:
    script = office.scripts[subject.type]
    for place, label, wrong in wrong_fields(office.tables, script.fields, subject.operation, subject.document):
        yield fault_of(office, check, subject, place, value=wrong, label=label)


def _changed(office: Office, check: Check, subject: Subject) -> Iterator[Fault]:
    """Hold the other document, as it would be afterwards, against the checks of its own type that say so."""
    target, body = target_of(office, subject), changed_target(office, subject)
    terms = office.scripts[subject.type].changes
    if terms is None or target is None or body is None:
        return
    after = Subject(target.account, target.type, "", parse(body), target)
    wrong = list(wrong_fields(office.tables, office.scripts[target.type].fields, "", after.document))
    for place, label, text in wrong:
        yield fault_of(office, check, subject, place, value=text, label=label)
    if not wrong:
        yield from faults_before(office, terms.checks, after)


KINDS: Mapping[str, Look] = {
    "record": _record,
    "unclaimed": _unclaimed,
    "fields": _fields,
    "named": named,
    "filed": filed,
    "alike": alike,
    "unchanged": unchanged,
    "last_days": last_days,
    "covered": covered,
    "collected": collected,
    "old": old_texts,
    "changed": _changed,
    "declared": declared,
}
