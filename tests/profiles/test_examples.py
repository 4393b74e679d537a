"""Every example says what its folder claims: a good one has no fault, a bad one breaks its rule and nothing else."""

from __future__ import annotations

import io
import tomllib
import zipfile
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from tongguan.codecs.attachments import check_attachments
from tongguan.codecs.check import Checked, check
from tongguan.codecs.compile import Compiled, compile_all
from tongguan.codecs.item import Item
from tongguan.codecs.read import Read, read
from tongguan.gateway.kernel.document import Attachment, Document
from tongguan.gateway.kernel.errors import Fault
from tongguan.gateway.kernel.profile_loading import load_profiles
from tongguan.gateway.kernel.settings import Account

PROFILES = load_profiles()
ACCOUNT = Account(
    name="demo",
    title="大连示例进出口有限公司",
    uscc="91210200MA0EXAMPLC",
    customs_code="2102960001",
    mofcom_code="2100MA0EXAMPL",
)
NOON = 1_795_147_200_000
BAD = [(name, path.name) for name, profile in PROFILES.items() for path in sorted((profile.folder / "examples").glob("bad-*"))]


@cache
def _compiled() -> dict[str, Compiled]:
    return compile_all(PROFILES)


def _read(path: Path) -> Read:
    if path.is_file():
        return read(path.name, path.read_bytes(), most_bytes=32_000_000)
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as whole:
        for part in sorted(path.iterdir()):
            whole.write(part, part.name)
    return read(f"{path.name}.zip", packed.getvalue(), most_bytes=32_000_000)


def _checked(type_: str, item: Item, document: Document | None) -> Checked:
    return check(
        _compiled()[type_],
        item,
        account=ACCOUNT,
        document=document,
        operation=item.operation,
        numbers=document.numbers if document else {},
        now_ms=NOON,
    )


@pytest.mark.parametrize(("type_", "name"), BAD, ids=[name for _, name in BAD])
def test_a_bad_example_breaks_its_rule_and_nothing_else(type_: str, name: str) -> None:
    item = _read(PROFILES[type_].folder / "examples" / name).items[0]

    faults = _checked(type_, item, None).faults

    assert [fault.code for fault in faults] == [name.removeprefix("bad-").removesuffix(".xml")]


@pytest.mark.parametrize("type_", list(PROFILES))
def test_good_examples_have_no_fault_when_dropped_in_their_order(type_: str) -> None:
    folder = PROFILES[type_].folder / "examples"
    documents: dict[str, Document] = {}
    faults: dict[str, list[Fault]] = {}

    for name, expected in tomllib.loads((folder / "expect.toml").read_text(encoding="utf-8")).items():
        had = _read(folder / name)
        item = had.items[0]
        if item.operation == "query":
            continue
        key = item.document or item.reference or name
        document = documents.get(key)
        checked = _checked(type_, item, document)
        told = checked.faults + check_attachments(
            PROFILES[type_], item.attachments, had.files, document=document, operation=item.operation
        )
        if told:
            faults[name] = told
        documents[key] = _after(type_, document, checked.content, item, expected)

    assert faults == {}


@pytest.mark.parametrize("type_", list(PROFILES))
def test_queries_among_the_examples_ask_by_kinds_and_filters_that_exist(type_: str) -> None:
    profile = PROFILES[type_]
    paging = {"page", "size", "sort", "format", "source"}
    fields = {field.path for field in profile.fields} if profile.type == "GW.message" else set()
    strange = []

    for path in sorted((profile.folder / "examples").glob("ok-*")):
        item = _read(path).items[0]
        if item.operation == "query":
            query = profile.queries[item.kind or ""]
            known = {word for name in query.filters for word in (name, f"{name}_from", f"{name}_to")} | paging | fields
            strange += [(path.name, name) for name in item.filters() if name not in known]

    assert strange == []


def _after(type_: str, before: Document | None, content: dict[str, Any], item: Item, expected: dict[str, Any]) -> Document:
    """The document as the next example finds it; what the authority would have answered is played by its one answer here."""
    if item.operation == "check":
        content = {**content, "LicenceForm": "electronic"}
    document = before or Document(
        id=item.reference or "",
        account=ACCOUNT.name,
        type=type_,
        key=item.reference or "",
        profile="",
        version=1,
        status="draft",
        created_at=NOON,
        updated_at=NOON,
    )
    named = {name for name, _ in item.attachments}
    kept = tuple(a for a in document.attachments if a.name not in named)
    brought = () if item.operation == "detach" else item.attachments
    new = tuple(Attachment(name, category, "application/pdf", 1, "", "") for name, category in brought)
    return replace(document, content=content, status=str(expected.get("status", document.status)), attachments=kept + new)
