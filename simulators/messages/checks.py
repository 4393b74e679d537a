"""Look at a document before it is taken, as the checks of its script say.

The kinds of ``[[check]]``: ``pattern`` (every text at the path has the form), ``count`` (so many are there: ``least``, ``most``),
``account`` (the text is the account's own code here), ``known`` (the authority's book ``table`` has it), ``record`` (the book's
entry has ``field`` equal to ``value``, among the list ``among``, or, with neither, equal to the account's code),
``unclaimed`` (no other document has claimed it, save one whose status is in ``frees``; taking the document claims it) and
``registered`` (the account has a document of the type ``kind`` in one of ``status``, or the book ``table`` has the account).
"""

from __future__ import annotations

import re

from lxml import etree

from tongguan.simulators.messages.markup import values
from tongguan.simulators.script.script import Check
from tongguan.simulators.server.office import Fault, Office


def faults_of(office: Office, checks: list[Check], account: str, document: etree._Element) -> list[Fault]:
    """List everything that the checks find wrong."""
    found = []
    for check in checks:
        told = values(document, check.at)
        wrong = next((text for text in told if not _holds(office, check, account, text)), None)
        if check.check == "count" and not check.least <= len(told) <= check.most:
            wrong = str(len(told))
        if wrong is not None:
            found.append(Fault(check.code, check.at, check.says.replace("{value}", wrong)))
    return found


def claim_all(office: Office, checks: list[Check], document: etree._Element, row: int) -> None:
    """Claim for a document everything that its checks wanted unclaimed."""
    for check in checks:
        if check.check == "unclaimed":
            for text in values(document, check.at):
                office.store.claim(check.kind, text, row)


def _holds(office: Office, check: Check, account: str, text: str) -> bool:
    record = office.settings.records.get(check.table, {}).get(text)
    match check.check:
        case "pattern":
            return re.fullmatch(check.pattern, text) is not None
        case "count":
            return True
        case "account":
            return text == account
        case "known":
            return record is not None
        case "record" if record is None:
            return True  # the check "known" tells it
        case "record" if check.among:
            return record is not None and record.get(check.field) in office.settings.lists.get(check.among, ())
        case "record":
            return record is not None and record.get(check.field) == (account if check.value is None else check.value)
        case "registered":
            there = office.store.has_document(account, check.kind, check.status)
            return there or account in office.settings.records.get(check.table, {})
        case "unclaimed":
            holder = office.store.claimant(check.kind, text)
            return holder is None or holder.status in check.frees
        case other:
            raise ValueError(f"no such check: {other!r}")
