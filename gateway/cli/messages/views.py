"""Commands that look: list, show, timeline, answers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Any

import orjson
import typer

from tongguan.gateway.cli import context
from tongguan.gateway.cli.context import t, told, words
from tongguan.gateway.cli.messages.documents import profile_of, status_text
from tongguan.gateway.cli.messages.orders import lanes, order
from tongguan.gateway.cli.messages.selection import (
    AccountOption,
    FaultOption,
    Filters,
    Id,
    LimitOption,
    OperationOption,
    PageOption,
    SinceOption,
    StateOption,
    TextOption,
    TypeOption,
    UntilOption,
    found,
    known_or_wrong,
    submissions,
)
from tongguan.gateway.cli.output import age, facts_of, lane_facts, moment, print_facts, print_json, print_table, print_text, say
from tongguan.gateway.journal.history.history import GATEWAY, lane_subject
from tongguan.gateway.journal.reading.lookups import AnswerRow, Move
from tongguan.gateway.journal.reading.search import Search
from tongguan.gateway.model.document import Document
from tongguan.gateway.model.errors import many
from tongguan.gateway.model.lane import NAMED_AFTER, ClosedLane, Lane, LaneKind
from tongguan.gateway.model.message import Message, State
from tongguan.gateway.system.storage import file_names
from tongguan.gateway.system.times import show as shown_time
from tongguan.outbox.status.files import named_answers
from tongguan.outbox.status.render import message_status, waiting_for
from tongguan.outbox.status.view import read_view


def list_messages(
    state: StateOption = None,
    account: AccountOption = "",
    type_: TypeOption = "",
    operation: OperationOption = "",
    since: SinceOption = "",
    until: UntilOption = "",
    fault: FaultOption = "",
    text: TextOption = "",
    limit: LimitOption = 100,
    page: PageOption = 1,
    count: Annotated[bool, typer.Option("--count", help="only how many there are / 只报条数")] = False,
) -> None:
    """列出报文，最新在前 / List messages, newest first."""
    filters = Filters(state or (), account, type_, operation, since, until, fault, text)
    with context.journal() as journal, journal.search() as records:
        messages = filters.find(records, limit, offset=(page - 1) * limit)
        total = filters.count(records)
        if count:
            print_json({"total": total}) if context.as_json() else print_text(str(total))
            return
        if context.as_json():
            print_json(statuses(records, messages))
            return
        documents = records.documents(m.document_id for m in messages if m.document_id)
        lanes_now = records.lanes()
    rows = [
        (
            *(m.id, m.reference, m.account, m.type, m.operation, m.state.value),
            status_text(documents.get(m.document_id or "")),
            *(_waiting(m, _shut(m, lanes_now)), moment(m.received_at), age(m.received_at)),
            file_names.shown(m.source) if m.source else "",
        )
        for m in messages
    ]
    print_table(
        "报文编号 企业编号 账户 类型 操作 状态 单证状态 等待 收到 已过 文件",
        "message_id reference account type operation state document waiting received age file",
        rows,
        state_at=5,
    )
    _tell_count(total, page, limit)


def _tell_count(total: int, page: int, limit: int) -> None:
    """How many there are; where not all of them are shown, which, and how to see more."""
    pages = max(1, -(-total // limit))
    if pages == 1 and page == 1:
        say(f"共 {total} 条", many(total, "message"))
        return
    more = (f"；下一页：--page {page + 1}", f"; more with --page {page + 1}") if page < pages else ("", "")
    say(f"共 {total} 条，第 {page}/{pages} 页{more[0]}", f"{many(total, 'message')}, page {page} of {pages}{more[1]}")


def show(id_: Id, account: AccountOption = "") -> None:
    """显示报文及其单证 / Show a message with its document, faults and receipts."""
    with context.journal() as journal, journal.search() as records:
        messages = submissions(found(records, id_, account)) or found(records, id_, account)
        if context.as_json():
            print_json(statuses(records, messages))
            return
        for message in messages:
            _show(message, records)


def _show(message: Message, records: Search) -> None:
    document, shut = records.document(message.document_id), _shut(message, records.lanes())
    source = file_names.shown(message.source) if message.source else None
    facts = {
        t("报文编号", "message"): message.id,
        t("账户", "account"): message.account,
        t("文件", "file"): source,
        t("企业编号", "reference"): message.reference,
        t("单证", "document"): message.document,
        t("类型", "type"): " ".join(filter(None, (message.type, message.operation, _title(message.type)))),
        t("状态", "state"): message.state.value,
        t("等待", "waiting for"): _waiting(message, shut),
        t("等待的单证", "waits on"): _awaited(records.document(message.waits_on)),
        t("单证状态", "status"): status_text(document),
        t("编号", "numbers"): document.numbers if document else None,
        t("收到", "received"): moment(message.received_at),
        t("更新", "updated"): moment(message.updated_at),
        t("期限", "deadline"): moment(message.deadline_at),
        t("尝试次数", "attempts"): message.attempts or None,
        t("暂挂原因", "held"): told(message.hold_reason),
        t("请执行", "do"): told(message.hold_do) or (shut.do if shut else None),
        t("代替", "replaces"): message.replaces,
        t("同于", "same as"): message.same_as,
        t("通道", "lane"): _lane_words(shut) if shut else None,
        # Of an attempt that is over nobody needs to know more than its moves say.
        "traceback": (message.extra or {}).get("traceback") if message.state is State.HELD else None,
    }
    print_facts(facts)
    for fault in message.faults:
        place = " ".join(str(part) for part in (fault.path, fault.line) if part)
        print_text(f"  {fault.code} {place} {words(fault)}")
    for receipt in records.receipts_of_messages([message.id]).get(message.id, []):
        print_text(f"  {moment(receipt.issued_at)} {receipt.code} {words(receipt)} {receipt.file or ''}")
    print_text("")


def _title(type_: str) -> str:
    """What the type is called, in the user's language."""
    profile = profile_of(type_)
    return f"({profile.title[context.language()]})" if profile is not None else ""


def _shut(message: Message, lanes: Mapping[Lane, ClosedLane]) -> ClosedLane | None:
    """Why nothing takes it: its account is paused, or its lane is shut."""
    if message.due_at is None:
        return None
    paused = lanes.get(Lane(LaneKind.ACCOUNT, message.account))
    return paused or (lanes.get(message.lane) if message.lane is not None else None)


def _lane_words(lane: ClosedLane) -> str:
    return f"{lane.name} {lane.reason}: {told(lane.text)} {lane.who or ''} {moment(lane.since)}"


def _waiting(message: Message, shut: ClosedLane | None) -> str | None:
    return waiting_for(message, shut.waits_for if shut else None)


def _awaited(other: Document | None) -> str | None:
    """The document that a message waits for, by what a person knows it by."""
    return " ".join([other.type, other.key, *other.numbers.values(), status_text(other) or ""]) if other is not None else None


def statuses(records: Search, messages: Sequence[Message]) -> list[Any]:
    """What the status files say, for each message."""
    documents = records.documents(id_ for m in messages for id_ in (m.document_id, m.waits_on) if id_)
    accounts = {m.account for m in messages}
    snapshots = {name: read_view(records, name, [m.id for m in messages if m.account == name], ()) for name in accounts}
    for damaged in (damaged for snapshot in snapshots.values() for damaged in snapshot.damaged.values()):
        raise damaged
    environment, lanes_now = context.settings().gateway.environment, records.lanes()
    shut = {m.id: _shut(m, lanes_now) for m in messages}
    pages = [
        orjson.loads(
            message_status(
                m,
                document=documents.get(m.document_id or ""),
                receipts=(snapshot := snapshots[m.account]).receipts.get(m.id, ()),
                items=[(item, named_answers(item, snapshot)) for item in snapshot.items.get(m.id, ())],
                answers=named_answers(m, snapshot),
                missing=snapshot.missing,
                environment=environment,
                language=context.language(),
                profile=profile_of(m.type),
                shut=lane.waits_for if (lane := shut[m.id]) else None,
                awaited=(other, profile_of(other.type)) if (other := documents.get(m.waits_on or "")) else None,
            )
        )
        for m in messages
    ]
    for page, m in zip(pages, messages, strict=True):
        page |= {"lane": lane_facts(lane)} if (lane := shut[m.id]) else {}
    return pages


def timeline(id_: Id, account: AccountOption = "") -> None:
    """报文的每一步；也可查 account:名、route:名、card:名、gateway / Every step of a message, or of an account, route, card, gateway."""
    if subject := _subject(id_):
        _told_of(subject)
        return
    with context.journal() as journal, journal.search() as records:
        hits = found(records, id_, account)
        ids = dict.fromkeys(m.id for m in hits)
        answers = [r for rows in records.messages_of_documents(_documents_of(hits)).values() for r in rows if r.kind == "receipt"]
        ids.update(dict.fromkeys(m.id for m in answers))
        moves = sorted((move for each in ids for move in records.moves(each)), key=lambda move: move.n)
        known = records.messages(ids)
    if context.as_json():
        print_json([_step(m, "message_id") for m in moves])
        return
    rows = [
        (
            *(shown_time(m.at), known[m.message_id].reference or m.message_id, known[m.message_id].operation),
            *(m.step, m.was, m.state, m.who, told(m.why)),
        )
        for m in moves
        if m.message_id in known
    ]
    print_table("时间 报文 操作 步骤 从 到 经手 说明", "at message operation step from to who why", rows, state_at=5)


def _step(move: Move, *more: str) -> dict[str, Any]:
    return {
        "at": shown_time(move.at),
        **facts_of(move, *more, "step", "was", "state", "who", "why", "run", "entry"),
        "why": told(move.why),
    }


def _subject(name: str) -> str | None:
    """What the history tells of besides messages: the gateway itself, and everything that can be shut."""
    if name == GATEWAY:
        return GATEWAY
    kind, colon, rest = name.partition(":")
    if not colon or not rest or kind not in (*NAMED_AFTER, "lane"):
        return None
    return lane_subject(rest if kind == "lane" else name)


def _told_of(subject: str) -> None:
    with context.journal() as journal, journal.search() as records:
        moves = records.moves(subject)
    if not moves and subject != GATEWAY:  # of what has left the settings the history still tells
        known_or_wrong(
            subject.removeprefix(lane_subject("")), [f"account:{a.name}" for a in context.settings().account] + lanes()
        )
    if context.as_json():
        print_json([_step(m) for m in moves])
        return
    rows = [(shown_time(m.at), m.step, m.was, m.state, m.who, told(m.why)) for m in moves]
    print_table("时间 步骤 从 到 经手 说明", "at step from to who why", rows)


def _documents_of(messages: Sequence[Message]) -> list[str]:
    return [m.document_id for m in messages if m.document_id]


def answers(
    id_: Id,
    account: AccountOption = "",
    again: Annotated[bool, typer.Option("--again", help="write them once more / 重写")] = False,
) -> None:
    """报文的答复文件；--again 重写到 InBox / A message's answers; --again writes them to InBox once more."""
    with context.journal() as journal, journal.search() as records:
        hits = found(records, id_, account)
        rows = [row for each in _with_their_receipts(records, hits) for row in records.answers_of(each)]
    if again:
        for message_id in dict.fromkeys(row.message_id for row in rows):
            order({"do": "answers", "id": message_id}, why="answers --again")
    if context.as_json():
        print_json([_answer(row) for row in rows])
        return
    print_table(
        "文件 种类 编号 时间",
        "file kind number at",
        [(file_names.shown(row.file), row.kind, row.number, moment(row.at)) for row in rows],
    )
    if again:
        say("已重新写入 InBox", "written to InBox once more")


def _with_their_receipts(records: Search, messages: Sequence[Message]) -> list[str]:
    """Ids of the messages and of the receipts that answer them: each receipt is a message of its own."""
    answered = records.receipts_of_messages(m.id for m in messages)
    names = {f"{r.authority}:{r.id}" for receipts in answered.values() for r in receipts}
    of_documents = records.messages_of_documents(_documents_of(messages)).values()
    receipts = [m.id for found in of_documents for m in found if m.reference in names]
    return list(dict.fromkeys([*(m.id for m in messages), *receipts]))


def _answer(row: AnswerRow) -> dict[str, Any]:
    facts = facts_of(row, "message_id", "account", "kind", "number")
    return {"file": file_names.shown(row.file), "at": shown_time(row.at), **facts}
