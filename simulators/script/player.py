"""Play the flows: issue each receipt when it is due, in real or in fast time.

What is still to come for a document is a course in the books, planned once when its message is taken; so a restart goes on
where it stopped, and a script changed in between does not change what was promised.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from lxml import etree

from tongguan.simulators.books.effects import content_of, settle_pending, take_effect, tell_days
from tongguan.simulators.books.store import Course, Document, Issued
from tongguan.simulators.checks.checks import claim_before, faults_before
from tongguan.simulators.checks.subject import Subject
from tongguan.simulators.customs.made_documents import make_row, verdict_code
from tongguan.simulators.messages.markup import elements, parse
from tongguan.simulators.messages.odd_receipts import odd
from tongguan.simulators.script.decision_tables import chosen
from tongguan.simulators.script.durations import beginning, seconds
from tongguan.simulators.script.script import Code, Flow, Replies, Step, Turn
from tongguan.simulators.script.traders import trader_of
from tongguan.simulators.server.office import Fault, Notice, Office, damaged, receipt

_DAY = 86_400.0  #: seconds


def planned(script: Replies, flow: Flow, document: Document, wrong: dict[str, str]) -> list[Step]:
    """List the steps of a flow for one document: with its turns taken, and cut where it stays or ends."""
    steps: list[Step] = []
    for step in flow.steps:
        if step.only and not fits(script, step.only, document):
            break
        turn = next((turn for turn in script.turns if turn.marker in wrong and _turns(turn, flow, step)), None)
        if turn is not None and not (turn.first_round_only and document.round > 1):
            steps.extend(turn.steps)
            break
        steps.append(step)
        if wrong.get("stay") == step.code:
            break
    if steps and wrong.get("contradict") in script.codes:
        steps.append(Step(wrong["contradict"]))
    steps = [one for step in steps for one in _by_row(script, step, document)]
    return [replace(step, moves=False) for step in steps] if flow.pending else steps


def _by_row(script: Replies, step: Step, document: Document) -> list[Step]:
    """Make a step that is taken once for each row as many steps."""
    if not step.each:
        return [step]
    count = len(elements(parse(document.body), script.codes[step.code].rows))
    return [replace(step, each=False, row=n) for n in range(1, count + 1)]


def _turns(turn: Turn, flow: Flow, step: Step) -> bool:
    return turn.at == step.code and (not turn.operations or flow.operation in turn.operations)


def fits(script: Replies, only: str, document: Document) -> bool:
    """Say whether a document is one for which a choice came out so, written ``choice=value``."""
    choice, _, value = only.partition("=")
    return chosen(script.choices[choice], parse(document.body)) == value


def begin(office: Office, document: Document, message: str, steps: list[Step], wrong: dict[str, str]) -> None:
    """Enter a flow in the books; its first step is due after its own delay."""
    if steps:
        due = _due(office, steps, wrong, office.clock.now())
        office.store.start_course(Course(0, document.id, message, due, [dict(vars(step)) for step in steps], wrong, None))


def _due(office: Office, steps: Sequence[Step], wrong: dict[str, str], before: float) -> float:
    """Give the business time of the first of these steps: days from now where the clock runs fast, else a delay of the machine after
    what was due before. What ends on a given day has that delay until then, and its last step at that day's beginning."""
    step, speed = steps[0], office.clock.speed
    ends = beginning(wrong["ends"]) if speed > 1 and "ends" in wrong else 0.0
    if step.days and speed > 1 and not office.fast and not ends and "pace" not in wrong:
        return office.clock.now() + step.days * _DAY
    waits = seconds(wrong["pace"]) if "pace" in wrong else step.fast if office.fast or ends else step.after
    return max(before + speed * waits, ends if len(steps) == 1 else 0.0)


def play(office: Office, course: Course, outcome: str = "") -> str:
    """Issue the receipt of a course's next step and give the account it is for, "" when the course was stopped meanwhile.

    ``outcome`` tells what a forward led to: ``failed`` or ``unreachable``; then the step stays to be tried again. What the
    checks before a code find wrong is told with the step's other code.
    """
    with office.store.transaction():
        if not office.store.course_goes_on(course.id):
            return ""
        step = Step(**course.steps[0])
        document = office.store.document(course.document)
        code = {"failed": step.failed, "unreachable": step.unreachable}.get(outcome) or step.code
        faults = _held_against(office, document, step) if code == step.code and step.otherwise else []
        if step.makes:
            make_row(office, document, step.row, course.wrong)
        code = verdict_code(office, document, code)
        if faults:
            code, course = step.otherwise, replace(course, steps=course.steps[:1])
        course = _issue(office, course, document, office.scripts[document.type].codes[code], faults)
        if outcome:
            again = step.again_fast if office.fast else step.again
            office.store.move_course(replace(course, due=office.clock.later(again)))
        else:
            left = course.steps[1:]
            due = _due(office, [Step(**step) for step in left], course.wrong, course.due) if left else 0.0
            office.store.move_course(replace(course, due=max(due, office.clock.later(-1)), steps=left))
    return document.account


def _held_against(office: Office, document: Document, step: Step) -> Sequence[Fault]:
    """List what the checks before a step's code find wrong in what awaits it; what holds is claimed."""
    body = office.store.pending(document.id) or document.body
    subject = Subject(document.account, document.type, "", parse(body), document)
    if not (faults := faults_before(office, step.code, subject)):
        claim_before(office, step.code, subject)
    return faults


def _issue(office: Office, course: Course, document: Document, code: Code, faults: Sequence[Fault]) -> Course:
    script = office.scripts[document.type]
    if code.moves and (code.stops or Step(**course.steps[0]).moves):
        document = replace(document, status=code.code)
    document = tell_days(office, settle_pending(office, document, code), code, course.wrong)
    office.store.write_document(document)
    numbers = {name: given_number(office, script, document, name) for name in code.gives}
    if script.format is not None:  # its answers tell every number that is known
        numbers = {**office.store.numbers(document.id), **numbers}
    take_effect(office, document, code)
    now = office.stamp()
    nameless = "nameless" in course.wrong or not script.names_message
    faults = faults or ([Fault(code.code, "", code.reason)] if code.reason else [])
    message = "" if nameless else course.message
    about = None if script.format is None else parse(document.body)
    told = content_of(office, document, code, Step(**course.steps[0]).row)
    notice = Notice(document.account, message, document.type, document.number, numbers, faults, told, about)
    written = receipt(office, code, notice, now)
    issued = Issued(document.id, document.account, code.code, document.round, now, office.sealer.seal(written))
    return _feed(office, course, issued, written)


def _feed(office: Office, course: Course, issued: Issued, written: etree._Element) -> Course:
    """Put a receipt into the feed, with whatever was ordered to go wrong on the way."""
    wrong, spoilt = dict(course.wrong), []
    if wrong.get("wrong-signature") == "":
        spoilt.append(office.stranger.seal(written))
        del wrong["wrong-signature"]
    if wrong.get("corrupt") == "":
        spoilt.append(damaged(issued.body))
        del wrong["corrupt"]
    if "odd" in wrong:
        spoilt.append(office.sealer.seal(odd(written, wrong.pop("odd"))))
    for body in spoilt:
        office.store.issue(replace(issued, body=body), shown=False)
    if "reorder" in wrong and course.withheld is None and len(course.steps) > 1:
        return replace(course, wrong=wrong, withheld=_pack(issued))
    office.store.issue(issued)
    if "duplicate" in wrong:
        office.store.issue(issued, shown=False)
    if course.withheld is not None:
        office.store.issue(_unpack(course.withheld, issued))
    return replace(course, wrong=wrong, withheld=None)


def _pack(issued: Issued) -> bytes:
    return "\n".join((issued.code, str(issued.round), issued.issued, "")).encode() + issued.body


def _unpack(packed: bytes, other: Issued) -> Issued:
    code, round_, issued, body = packed.split(b"\n", 3)
    return replace(other, code=code.decode(), round=int(round_), issued=issued.decode(), body=body)


def given_number(office: Office, script: Replies, document: Document, name: str) -> str:
    """Give a document's number of that name, made by the script's pattern the first time.

    A pattern knows ``{yy} {yyyy} {mm} {dd} {account} {serial:06d}`` and the choices of the script by name; the series counts
    anew for each text before the serial, and is one for all types whose numbers begin alike: no number is given twice.
    """
    if (known := office.store.numbers(document.id).get(name)) is not None:
        return known
    now = office.today().replace("-", "")
    head, _, tail = script.numbers[name].partition("{serial")
    chosen_of = {name: chosen(choice, parse(document.body)) for name, choice in script.choices.items() if f"{{{name}}}" in head}
    stem = head.format(yy=now[2:4], yyyy=now[:4], mm=now[4:6], dd=now[6:], account=document.account, **chosen_of)
    serial = office.store.next_serial(f"{name} {stem}")
    value = stem + ("{serial" + tail).format(serial=serial)
    office.store.keep_number(document.id, name, value)
    trader = trader_of(script, parse(document.body), document.account) if document.body else ""
    office.store.name_document(document, [value], trader)
    return value
