"""`tongguan check`: validate files as the gateway would, without journal, card or wire."""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Any

import typer

from tongguan.codecs.checking.check import check as hold_against_profile
from tongguan.codecs.checking.compile import Compiled, compile_all
from tongguan.codecs.reading.attachments import check_attachments
from tongguan.codecs.reading.read import Item, Read, read
from tongguan.codecs.writing.markup import visible
from tongguan.gateway.cli import context
from tongguan.gateway.cli.context import CommandWrong, t, words
from tongguan.gateway.cli.output import print_json, print_text
from tongguan.gateway.model.errors import Fault, Refused
from tongguan.gateway.model.faults import fault, unknown_type
from tongguan.gateway.profile.loading import load_profiles
from tongguan.gateway.profile.own_form import own_forms
from tongguan.gateway.settings import Account, Settings
from tongguan.gateway.system import file_names

CLEAN, FAULTS, UNREADABLE = 0, 1, 2
#: faults of reading that leave the message itself readable: its attachments are not as it says
_READABLE = "GW-E"


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
    profiles = compile_all(load_profiles(home=settings.home))
    with context.using(settings):
        found = [each for file in files for each in _looked_into(file, settings, owner, profiles)]
    if context.as_json():
        print_json([_as_json(each) for each in found])
    else:
        for each in found:
            _show(each)
    return max(each.code for each in found)


def _account(settings: Settings, name: str) -> Account:
    named = [a for a in settings.account if a.name == name or not name]
    if len(named) == 1:
        return named[0]
    known = " ".join(a.name for a in settings.account)
    raise CommandWrong(f"请用 --account 指明账户：{known}", f"say which account with --account: {known}", code=UNREADABLE)


def _looked_into(file: Path, settings: Settings, account: Account, profiles: dict[str, Compiled]) -> Iterable[CheckedItem]:
    """What is wrong with a file. Whatever it does to us, the answer is words, and the other files are looked into."""
    name = visible(file_names.shown(file_names.as_text(os.fsencode(file))))
    try:
        return list(_file(name, file, settings, account, profiles))
    except Exception as bug:
        said = f"{type(bug).__name__}: {bug}"[:300].encode("utf-8", "replace").decode()
        why = Fault(
            "", f"网关未能检查此文件（网关的缺陷）：{said}", f"the gateway could not check this file, its own mistake: {said}"
        )
        return [CheckedItem(name, None, (why,), UNREADABLE)]


def _file(name: str, file: Path, settings: Settings, account: Account, profiles: dict[str, Compiled]) -> Iterable[CheckedItem]:
    try:
        with file.open("rb") as source:
            raw = source.read(settings.gateway.most_bytes + 1)
        forms = own_forms({name: compiled.profile for name, compiled in profiles.items()})
        content = read(file.name, raw, most_bytes=settings.gateway.most_bytes, own_forms=forms)
    except OSError as error:
        why = Fault("", f"读不到：{error.strerror}", f"cannot be read: {error.strerror}")
        return [CheckedItem(name, None, (why,), UNREADABLE)]
    except Refused as refused:
        readable = all(f.code.startswith(_READABLE) for f in refused.faults)
        return [CheckedItem(name, None, refused.faults, FAULTS if readable else UNREADABLE)]
    return [_item(name, item, content, account, profiles) for item in content.items]


def _item(file: str, item: Item, content: Read, account: Account, profiles: dict[str, Compiled]) -> CheckedItem:
    faults = tuple(_faults(item, content, account, profiles))
    wrong = any(f.severity == "error" for f in faults)
    return CheckedItem(file, item, faults, FAULTS if wrong else CLEAN)


def _faults(item: Item, content: Read, account: Account, profiles: dict[str, Compiled]) -> list[Fault]:
    compiled = profiles.get(item.type)
    if compiled is None:
        return [unknown_type(item.type, {name: each.profile.registry for name, each in profiles.items()})]
    profile = compiled.profile
    if item.operation == "query":
        if item.kind in profile.queries:
            return []
        return [fault("GW-F08", kind=item.kind, known=" ".join(profile.queries), path="@kind", label="kind")]
    operation = profile.operations.get(item.operation)
    if operation is None:
        return [fault("GW-F02", type=item.type, operation=item.operation, known=" ".join(profile.operations))]
    acts_on_another = bool(item.number or (item.document and item.document != item.reference))
    # Such a file may leave out what its document has already; only the gateway knows that.
    if operation.body != "whole" and _is_empty(item.body):
        return []
    checked = hold_against_profile(
        compiled,
        item,
        account=account,
        document=None,
        operation=item.operation,
        numbers={},
        now_ms=context.business_clock().now_ms(),
    )
    if acts_on_another:
        profile = replace(profile, attachments=replace(profile.attachments, one_of=()))
    allowed = acts_on_another or compiled.attachable(checked.content)
    prefix = f"{item.reference}/" if content.batch else ""
    files = {name.removeprefix(prefix): raw for name, raw in content.files.items() if name.startswith(prefix)}
    return checked.faults + check_attachments(
        profile, item.attachments, files, document=None, operation=item.operation, allowed=allowed
    )


def _is_empty(body: Any) -> bool:
    return body is None or len(body) == 0


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
        "clean": found.code == CLEAN,
        "readable": found.code != UNREADABLE,
        "faults": [f.shown(context.language()) for f in found.faults],
    }
