"""What a receipt does to its document, by its rank in its round.

Promises: receipts that come late, twice or in another order lead to the same status.
"""

from __future__ import annotations

from dataclasses import replace

from tongguan.codecs.receipt import ReceiptContent
from tongguan.gateway.kernel.document import Document
from tongguan.gateway.kernel.profile import ReceiptRule


def settle(rule: ReceiptRule, content: ReceiptContent, document: Document, *, round_: int) -> tuple[Document, bool]:
    """The document's next version, and whether the receipt counted.

    Of the round at hand a higher rank moves the status; a lower or equal one only adds its numbers and marks. A receipt of an
    older round adds what is not there yet. `changing` and `status_before` stay: whether an operation has ended is the flow's question.
    """
    present = round_ == document.round
    moves = bool(rule.status) and present and rule.rank > document.rank
    numbers = {**document.numbers, **content.numbers} if present else {**content.numbers, **document.numbers}
    marks = {**document.marks, **rule.marks} if present else {**rule.marks, **document.marks}
    after = replace(document, version=document.version + 1, numbers=numbers, marks=marks)
    if moves:
        after = replace(after, status=rule.status, rank=rule.rank)
    return after, moves or (present and not rule.status)
