"""What a receipt does to its document, by its rank in its round.

Promises: receipts that come late, twice or in another order lead to the same document.
"""

from __future__ import annotations

from collections.abc import Mapping

from tongguan.codecs.receipts.receipt import ReceiptContent
from tongguan.gateway.model.document import Document
from tongguan.gateway.model.record import replace
from tongguan.gateway.profile.profile import ReceiptRule
from tongguan.gateway.system.times import show


def settle(rule: ReceiptRule, content: ReceiptContent, document: Document, *, round_: int) -> tuple[Document, bool]:
    """The document's next version, and whether the receipt counted.

    Of the round at hand a higher rank moves the status; a lower or equal one only adds its numbers and marks. A receipt of an
    older round adds the numbers that are not there yet. Of two receipts that set one mark the later issued one holds.
    `changing` and `status_before` stay: whether an operation has ended is the flow's question.
    """
    present = round_ == document.round
    moves = bool(rule.status) and present and rule.rank > document.rank
    numbers = {**document.numbers, **content.numbers} if present else {**content.numbers, **document.numbers}
    after = replace(document, version=document.version + 1, numbers=numbers, marks=_marked(document.marks, rule.marks, content))
    if moves:
        after = replace(after, status=rule.status, rank=rule.rank)
    return after, moves or (present and not rule.status)


def _marked(marks: Mapping[str, str], given: Mapping[str, str], content: ReceiptContent) -> dict[str, str]:
    """The marks with those of a receipt, each with `<mark>_at`: marks have no rank, so only their times can order them."""
    after = dict(marks)
    issued = show(content.issued_at) or ""
    for name, value in given.items():
        if (issued, value) >= (marks.get(f"{name}_at", ""), marks.get(name, "")):
            after[name], after[f"{name}_at"] = value, issued
    return after
