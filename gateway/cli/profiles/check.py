"""`tongguan check`: validate files as the gateway would, without journal, card or wire."""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import typer

from tongguan.codecs.checking.compile import compile_all
from tongguan.codecs.reading.item import Spoilt
from tongguan.codecs.reading.read import Item, Read, read
from tongguan.codecs.writing.markup import visible
from tongguan.gateway.cli import context
from tongguan.gateway.cli.context import CommandWrong, t, words
from tongguan.gateway.cli.output import print_json, print_text
from tongguan.gateway.flow.intake.locations import in_file, placed, placed_with
from tongguan.gateway.flow.intake.offline import offline_faults
from tongguan.gateway.flow.rules import Rules
from tongguan.gateway.model.errors import Fault, Refused
from tongguan.gateway.profile.loading import load_profiles
from tongguan.gateway.settings import Account, Settings
from tongguan.gateway.system.storage import file_names
from tongguan.inbox.file_reader import NOT_PERMITTED, size_fault

CLEAN, FAULTS, UNREADABLE = 0, 1, 2
#: faults of reading that leave the message itself readable: its attachments are not as it says
_READABLE = "GW-E"
#: what only the gateway and others know
UNKNOWN_HERE = ("card", "authority", "order", "documents")
NOT_CHECKED = (
    "未校验：卡、主管部门的答复、报文先后，以及网关中已有的单证（状态、编号、许可证余量）",
    "not checked: the card, the authority's answer, the order of messages, and what documents the gateway has (status, numbers, what is left of licences)",
)


@dataclass(frozen=True)
class CheckedItem:
    """What is wrong with one message of a file."""

    file: str
    item: Item | None
    faults: tuple[Fault, ...]
    code: int


def check(
    files: Annotated[list[Path], typer.Argument(help="XML, JSON or ZIP files / 报文文件")],
    account: Annotated[str, typer.Option(help="whose messages / 账户")] = "",
) -> int:
    """校验报文，不发送 / Validate files without sending: exit 0 clean, 1 faults, 2 unreadable."""
    settings = context.settings()
    owner = _account(settings, account)
    rules = Rules(settings, compile_all(load_profiles(home=settings.home)))
    with context.using(settings):
        found = [each for file in files for each in _looked_into(file, rules, owner)]
    if context.as_json():
        print_json([_as_json(each) for each in found])
    else:
        for each in found:
            _show(each)
        if any(each.item is not None and each.item.known for each in found):
            print_text(t(*NOT_CHECKED))
    return max(each.code for each in found)


def _account(settings: Settings, name: str) -> Account:
    named = [a for a in settings.account if a.name == name or not name]
    if len(named) == 1:
        return named[0]
    known = " ".join(a.name for a in settings.account)
    raise CommandWrong(f"请用 --account 指明账户：{known}", f"say which account with --account: {known}", code=UNREADABLE)


def _looked_into(file: Path, rules: Rules, account: Account) -> Iterable[CheckedItem]:
    """What is wrong with a file. Whatever it does to us, the answer is words, and the other files are looked into."""
    name = visible(file_names.shown(file_names.as_text(os.fsencode(file))))
    try:
        return list(_file(name, file, rules, account))
    except Exception as bug:
        said = f"{type(bug).__name__}: {bug}"[:300].encode("utf-8", "replace").decode()
        why = Fault(
            "", f"网关未能检查此文件（网关的缺陷）：{said}", f"the gateway could not check this file, its own mistake: {said}"
        )
        return [CheckedItem(name, None, (why,), UNREADABLE)]


def _file(name: str, file: Path, rules: Rules, account: Account) -> Iterable[CheckedItem]:
    most_bytes = rules.settings.gateway.most_bytes
    try:
        with file.open("rb") as source:
            raw = source.read(most_bytes + 1)
        if (wrong := size_fault(max(len(raw), file.stat().st_size if raw else 0), most_bytes)) is not None:
            return [CheckedItem(name, None, tuple(in_file(file.name, [wrong])), UNREADABLE)]
        content = read(file.name, raw, most_bytes=most_bytes, own_forms=rules.own_forms, known=rules.known)
    except PermissionError:
        return [CheckedItem(name, None, tuple(in_file(file.name, [NOT_PERMITTED])), UNREADABLE)]
    except OSError as error:
        why = Fault("", f"读不到：{error.strerror}", f"cannot be read: {error.strerror}")
        return [CheckedItem(name, None, (why,), UNREADABLE)]
    except Spoilt as spoilt:
        return _of_spoilt(name, spoilt, rules, account)
    except Refused as refused:
        return [CheckedItem(name, None, tuple(in_file(file.name, refused.faults)), UNREADABLE)]
    return [_item(name, item, content, rules, account) for item in content.items]


def _of_spoilt(name: str, spoilt: Spoilt, rules: Rules, account: Account) -> list[CheckedItem]:
    """A file that is refused as a whole: what is wrong with it, and with each of its messages."""
    content = spoilt.content
    found = [_item(name, item, content, rules, account) for item in content.items]
    told = {fault for item in content.items for fault in item.faults}
    own = [fault for fault in spoilt.faults if fault not in told]
    readable = all(f.code.startswith(_READABLE) for f in spoilt.faults)
    if not content.batch:
        faults = tuple(placed(content.items[0], own)) + found[0].faults
        return [CheckedItem(name, content.items[0], faults, FAULTS if readable else UNREADABLE)]
    return [CheckedItem(name, None, tuple(own), FAULTS if readable else UNREADABLE), *found]


def _item(file: str, item: Item, content: Read, rules: Rules, account: Account) -> CheckedItem:
    at = context.business_clock().now_ms()
    faults = tuple(placed_with(item, offline_faults(rules, account.name, item, content, at=at)))
    wrong = any(f.severity == "error" for f in faults)
    return CheckedItem(file, item, faults, FAULTS if wrong else CLEAN)


def _show(found: CheckedItem) -> None:
    name = f"{found.file}" + (f" {found.item.reference or ''}".rstrip() if found.item else "")
    if not found.faults:
        print_text(f"{name}: " + t("没有问题", "clean"))
    for each in found.faults:
        place = ":".join(str(part) for part in (name, each.line) if part is not None)
        print_text(f"{place}: {each.code} {each.path} {words(each)}")


def _as_json(found: CheckedItem) -> dict[str, Any]:
    item = found.item
    return {
        "file": found.file,
        "type": item.type if item else None,
        "operation": item.operation if item else None,
        "reference": item.reference if item else None,
        "not_checked": list(UNKNOWN_HERE),
        "clean": found.code == CLEAN,
        "readable": found.code != UNREADABLE,
        "faults": [f.shown(context.language()) for f in found.faults],
    }
