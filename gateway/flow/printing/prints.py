"""Prints: a form is filled when it is asked for, and lies beside its message until the PDF worker has made a PDF of it.

Promises: nothing but prints waits for the PDF worker. A batch of prints alone becomes one file, in the order of its items; those that
could not be printed are listed on its last page.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial

from tongguan.gateway.flow import answers
from tongguan.gateway.flow.local import LocalRequest
from tongguan.gateway.flow.rules import Rules
from tongguan.gateway.flow.site import Site
from tongguan.gateway.journal.port import Claim
from tongguan.gateway.journal.reading.snapshot import Snapshot
from tongguan.gateway.model.errors import Held, Refused
from tongguan.gateway.model.faults import fault
from tongguan.gateway.model.lane import Lane, LaneKind
from tongguan.gateway.model.message import PRINT, Message, State
from tongguan.gateway.model.outcome import Body, Chain, Outcome
from tongguan.gateway.model.record import replace
from tongguan.gateway.profile.profile import PrintForm, Profile
from tongguan.gateway.work.loop import Step, each, end
from tongguan.gateway.work.moment import Moment
from tongguan.outbox.prints.default_layout import usual_layout
from tongguan.outbox.prints.font import FontMissing, find_font
from tongguan.outbox.prints.form import Subject, printed_at, sheet_of, word_of
from tongguan.outbox.prints.pdf_worker import PrintFailed
from tongguan.outbox.prints.sheet import Grid, GridColumn, Sheet, from_bytes, to_bytes

FORM, USUAL = "Form", "application"  #: the element that names a form, and the form without it
_SHEET = "sheet"  #: role of the filled form
_PATIENCE = 1.0  #: seconds more for each sheet of a print, hundreds of times what one takes
_PRINTED = (State.ACCEPTED, State.REPEATED)
_MISSING = {
    "zh": ("未能打印的单证", ("序号", "报文编号", "单证", "原因")),
    "en": ("Documents that could not be printed", ("no.", "reference", "document", "why")),
}


def ask_for(rules: Rules, request: LocalRequest, records: Snapshot) -> Outcome:
    """checked: on its way to the PDF worker; in a batch of prints accepted, as the batch goes there as a whole.

    While a change awaits agreement the form is filled with what is asked for: it is the paper of the amendment.
    Raises Refused for a form that the type does not have, or not in the document's status.
    """
    form = _form(request)
    profile, document = request.profile, request.document
    asked_for = document if document.pending is None else replace(document, content=document.pending)
    subject = Subject(
        document=asked_for,
        profile=profile,
        tables=rules.compiled(profile.type).tables,
        language=request.language,
        environment=rules.settings.gateway.environment,
        at=request.business,
        receipts=records.receipts_of_documents([document.id]).get(document.id, ()),
        changed=_changed(rules, profile),
    )
    layout = rules.layouts.get(profile.type, {}).get(form.name) or usual_layout(profile, form.title)
    outcome = to_pdf(request.message, sheet_of(layout, subject), request.now)
    if not request.message.together:
        return outcome
    return replace(end(request.message, State.ACCEPTED, PRINT, request.now, deadline_at=None), bodies=outcome.bodies)


def _changed(rules: Rules, profile: Profile) -> Profile | None:
    """The type of what a document of this one changes."""
    changes = profile.changes
    return rules.profile(profile.needs[changes.need].type) if changes is not None else None


def to_pdf(message: Message, sheet: Sheet, now: int) -> Outcome:
    """checked: the sheet beside the message, the message in the lane `print`."""
    raw = to_bytes([sheet])
    return replace(_queued(message, now), bodies=(Body(message.id, _SHEET, raw),))


def batch_to_pdf(message: Message, now: int) -> Outcome:
    """A batch of prints whose items are all decided."""
    return _queued(message, now)


def _queued(message: Message, now: int) -> Outcome:
    queued = replace(
        message, state=State.CHECKED, lane=Lane(LaneKind.PRINT), due_at=now, updated_at=now, waiting_for=None, attempts=0
    )
    return Outcome(queued, message.state, PRINT)


def _form(request: LocalRequest) -> PrintForm:
    forms = _forms(request.profile)
    name = request.options.get(FORM) or (USUAL if USUAL in forms else next(iter(forms)))
    form = forms.get(name)
    if form is None:
        raise Refused([fault("GW-F45", path=FORM, label=("打印格式", "form of the print"), form=name, known=" ".join(forms))])
    profile = request.profile
    if form.allowed and request.document.status not in form.allowed:
        allowed = profile.status_words(*(status for status in profile.statuses if status in form.allowed))
        present = profile.status_words(request.document.status)
        raise Refused([fault("GW-F05", path=FORM, status=present, operation=f"print {name}", allowed=allowed)])
    return form


def _forms(profile: Profile) -> Mapping[str, PrintForm]:
    """A type without forms of its own has one of all its fields."""
    return profile.prints or {USUAL: PrintForm(USUAL, profile.title, "", frozenset())}


# The PDF worker


def print_step(site: Site) -> Step:
    """The station that makes PDFs."""
    return Step(PRINT, decide_print, act=partial(act_print, site))


def act_print(site: Site, claim: Claim) -> list[bytes | Exception]:
    """The PDF of each message, or what a person must do."""
    messages = claim.messages
    with site.journal.read() as records:
        jobs = dict(zip((m.id for m in messages), each(messages, lambda m: _sheets(site, m, records)), strict=True))
    return each(messages, lambda m: _made(site, m, jobs[m.id]))


def _made(site: Site, message: Message, sheets: Sequence[Sheet] | Exception) -> bytes | Exception:
    if isinstance(sheets, Exception):
        return sheets
    retry = f"tongguan retry {message.id}"
    try:
        font = find_font(site.rules.settings.prints.font, site.rules.settings.home)
        return site.pdf_worker.pdf(font, sheets, patience=_PATIENCE * len(sheets))
    except FontMissing as missing:
        return Held(missing.zh, missing.en, do=f"tongguan doctor; {retry}")
    except PrintFailed as failed:
        return Held(f"打印失败：{failed.zh}", f"printing failed: {failed.en}", do=f"{retry}; tongguan give-up {message.id}")


def _sheets(site: Site, message: Message, records: Snapshot) -> tuple[Sheet, ...]:
    if not message.together:
        return from_bytes(records.body(message.id, _SHEET) or b"[]")
    items = sorted(records.items([message.id]).get(message.id, ()), key=lambda item: item.item or 0)
    origins = {item.id: item.same_as or item.id for item in items if item.state in _PRINTED}
    found = records.bodies(list(dict.fromkeys(origins.values())), _SHEET)
    sheets = [sheet for item in items if (raw := found.get(origins.get(item.id, ""))) for sheet in from_bytes(raw)]
    missing = [item for item in items if origins.get(item.id) not in found]
    return (*sheets, *([_missing(site, message, missing)] if missing else []))


def _missing(site: Site, message: Message, items: Sequence[Message]) -> Sheet:
    """The last page of a batch: what is not in it, and why."""
    rules = site.rules
    language = rules.language(rules.account(message.account))
    title, labels = _MISSING[language]
    columns = tuple(GridColumn(label, width) for label, width in zip(labels, (1, 4, 4, 9), strict=True))
    rows = tuple(
        (
            str((item.item or 0) + 1),
            item.reference or "",
            item.document or item.number or "",
            "; ".join(f"{f.code} {f.text(language)}" for f in item.faults) or item.state.value,
        )
        for item in items
    )
    foot = printed_at(site.business.now_ms(), language)
    environment = word_of(rules.settings.gateway.environment)
    return Sheet(title, (Grid("", columns, rows),), foot=foot, environment=environment, language=language)


def decide_print(moment: Moment, message: Message, pdf: bytes, _records: Snapshot) -> Chain:
    """accepted, with the PDF in InBox."""
    outcome = end(message, State.ACCEPTED, PRINT, moment.now, deadline_at=None)
    return (replace(outcome, answers=answers.results(message, [(".pdf", pdf)])),)
