"""`tongguan quarantine`: receipts that are not believed, and those that match nothing; they leave only by an order."""

from __future__ import annotations

from collections.abc import Callable

from tongguan.gateway.cli import context
from tongguan.gateway.cli.context import CommandWrong, t, told, words
from tongguan.gateway.cli.messages.orders import WhyOption, line_of, order, show_done
from tongguan.gateway.cli.messages.selection import MOST, Id, found
from tongguan.gateway.cli.output import age, moment, print_facts, print_json, print_raw, print_table
from tongguan.gateway.journal.reading.search import Search
from tongguan.gateway.model.message import Kind, Message, State
from tongguan.gateway.system import times


def list_receipts() -> None:
    """列出隔离、未匹配和暂挂的回执 / List receipts in quarantine, those that match nothing, and those that are held."""
    with context.journal() as journal:
        kept = journal.received((State.QUARANTINED, State.UNMATCHED, State.HELD), MOST)
    receipts = [message for message in kept if message.kind is Kind.RECEIPT]
    if context.as_json():
        print_json([{**line_of(m), "why": _why(m), "received_at": times.show(m.received_at)} for m in receipts])
        return
    print_table(
        "回执 账户 状态 编号 收到 已过 原因",
        "id account state number received age why",
        [(m.id, m.account, m.state.value, m.number, moment(m.received_at), age(m.received_at), _why(m)) for m in receipts],
        state_at=2,
    )


def _why(message: Message) -> str:
    faults = "; ".join(f"{f.code} {words(f)}" for f in message.faults)
    return told(message.hold_reason) or faults or str((message.extra or {}).get("why", ""))


def show(id_: Id) -> None:
    """显示一份回执 / Show a receipt as it came."""
    with context.journal() as journal, journal.search() as records:
        message = _receipt(records, id_)
        raw = (records.body(message.id, "receipt") or b"").decode("utf-8", "replace")
    if context.as_json():
        print_json({**line_of(message), "why": _why(message), "content": raw})
        return
    print_facts(
        {
            "id": message.id,
            t("账户", "account"): message.account,
            t("状态", "state"): message.state.value,
            t("原因", "why"): _why(message),
        }
    )
    print_raw(raw)


def _receipt(records: Search, id_: str) -> Message:
    message = records.message(id_) or next(iter(found(records, id_, look="tongguan quarantine list")), None)
    if message is None or message.kind is not Kind.RECEIPT:
        raise CommandWrong(
            f"{id_} 不是回执；查看：tongguan quarantine list", f"{id_} is no receipt; look: tongguan quarantine list"
        )
    return message


def acting(do: str) -> Callable[..., int | None]:
    """The command that applies or drops a receipt in quarantine."""

    def act(id_: Id, why: WhyOption = "") -> int | None:
        with context.journal() as journal, journal.search() as records:
            message = _receipt(records, id_)
        return show_done([message], order({"do": do, "ids": [message.id]}, why=why)["messages"])

    return act
