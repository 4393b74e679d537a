"""Files for InBox: the technical response, each business receipt as it came, results of queries.

A technical response is made here for whatever move of a submission calls for one (`responded`, which every station's loop asks); by
themselves only receipts that came late make one, for the message that they are about (`receipts/technical.py`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from tongguan.codecs.writing.own_form import render_answer
from tongguan.codecs.writing.render import technical_response, technical_response_json
from tongguan.gateway.document.changes import value_at
from tongguan.gateway.flow.rules import Rules
from tongguan.gateway.model.document import Document
from tongguan.gateway.model.lane import Lane, LaneKind
from tongguan.gateway.model.message import MERGE, QUERY, Kind, Message, State
from tongguan.gateway.model.outcome import Answer, Outcome
from tongguan.gateway.model.record import replace
from tongguan.gateway.profile.profile import Profile
from tongguan.outbox.status.answers import receipt_name, result_name, technical_name

_WELL = (State.SENT, State.ACCEPTED)
_TOLD = frozenset({*_WELL, State.REJECTED, State.REFUSED})


def technical(rules: Rules, message: Message, document: Document | None) -> tuple[Answer, ...]:
    """`Successed_<name>` or `Failed_<name>`: what became of the message so far, once the authority or the desk has it."""
    well = message.state in _WELL or _begun(message)
    account = rules.account(message.account)
    numbers = document.numbers if document else (message.extra or {}).get("numbers", {})
    own = _in_own_words(rules, message, document, numbers)
    language = rules.language(account)
    name = technical_name(message.source or message.id, accepted=well)
    forms = (("xml", ".xml", technical_response), ("json", ".json", technical_response_json))
    return tuple(
        Answer(
            message.id,
            message.document_id,
            "technical",
            name,
            suffix,
            own
            if own is not None and form == "xml"
            else write(message, numbers=numbers, language=language, code="0" if well else "1"),
            message.account,
        )
        for form, suffix, write in forms
        if account.answers in (form, "both")
    )


def _in_own_words(rules: Rules, message: Message, document: Document | None, numbers: Mapping[str, str]) -> bytes | None:
    """The response as the authority itself would write it, to a message that it would have such an answer to."""
    profile = rules.types.get(message.type)
    form = profile.own_form if profile is not None else None
    if form is None or form.technical is None or message.operation not in form.operations:
        return None
    words, language = form.technical, rules.language(rules.account(message.account))
    faults = "; ".join(f"{fault.code} {fault.path} {fault.text(language)}".strip() for fault in message.faults)
    said = {
        words.code: "0" if message.state in _WELL else "1",
        words.text: faults,
        words.reference: value_at(document.content, form.reference) if document else message.document or "",
    }
    return render_answer(words, said | {path: numbers.get(kind, "") for kind, path in words.numbers.items()})


def responded(rules: Rules, outcome: Outcome) -> Outcome:
    """The outcome with its technical response, where its sender is told by one: what the authority or the gateway itself said first."""
    message = outcome.message
    if _begun(message):
        first = outcome.was is not State.CHECKED
        document = outcome.documents[0] if outcome.documents else None
        return replace(outcome, answers=(*technical(rules, message, document), *outcome.answers)) if first else outcome
    if message.operation == MERGE and outcome.was is State.CHECKED and message.state is State.ACCEPTED:
        return outcome
    if message.kind is not Kind.SUBMISSION or message.state not in _TOLD or outcome.was in (State.SENT, message.state):
        return outcome
    if message.state is State.ACCEPTED and message.operation == QUERY:  # its result says so
        return outcome
    document = outcome.documents[0] if outcome.documents else None
    return replace(outcome, answers=(*technical(rules, message, document), *outcome.answers))


def _begun(message: Message) -> bool:
    """A merge: that it begins is what its sender is told; what comes of it is its result."""
    return message.state is State.CHECKED and message.lane == Lane(LaneKind.MERGE)


def business(message: Message, raw: bytes, *, document: Document, profile: Profile) -> Answer:
    """`Receipt_<number>`: the receipt as received."""
    number = document.numbers.get(profile.own_number) or next(iter(document.numbers.values()), None) or message.id
    return Answer(message.id, document.id, "receipt", receipt_name(number), ".xml", raw, document.account, number)


def results(message: Message, files: Sequence[tuple[str, bytes]]) -> tuple[Answer, ...]:
    """`Result_<name>`: (suffix, content) of what was asked for."""
    name = result_name(message.source or message.id)
    return tuple(
        Answer(message.id, message.document_id, "result", name, suffix, content, message.account) for suffix, content in files
    )
