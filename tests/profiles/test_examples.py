"""The examples of every installed document type: the good ones are clean, each bad one breaks exactly the rule it is named after."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Mapping
from importlib.resources import files
from io import BytesIO
from pathlib import Path
from zipfile import ZipFile

import pytest

from tongguan.codecs.checking.changing.listed_rows import NO_FILES
from tongguan.codecs.checking.check import Checked, check
from tongguan.codecs.checking.compile import Compiled, compile_all
from tongguan.codecs.checking.filling.filed import FiledContent
from tongguan.codecs.reading.read import Item, read
from tongguan.gateway.model.document import Document
from tongguan.gateway.profile.example_dates import moved
from tongguan.gateway.profile.loading import load_profiles
from tongguan.gateway.profile.profile import FiledSource
from tongguan.gateway.profile.sections.own_form import own_forms
from tongguan.gateway.settings import Account
from tongguan.gateway.system import times

COMPILED = compile_all(load_profiles(Path(str(files("tongguan"))) / "gateway" / "profiles"))
OWN_FORMS = own_forms({name: compiled.profile for name, compiled in COMPILED.items()})
ACCOUNT = Account(
    name="demo",
    title="大连示例进出口有限公司",
    uscc="91210200MA0EXAMPLC",
    customs_code="2102960001",
    mofcom_code="2100MA0EXAMPL",
)
DAY, NOON = "2026-11-20", 1_795_147_200_000
FORMS = (".xml", ".json")


def examples(kind: str) -> list[tuple[str, Path]]:
    """Type and message file of every example of a kind; a folder stands for a ZIP."""
    found = []
    for name, compiled in sorted(COMPILED.items()):
        for path in sorted((compiled.profile.folder / "examples").glob(f"{kind}-*")):
            inner = [path] if path.is_file() else sorted(path.glob("message.*"))
            found += [(name, one) for one in inner if one.suffix in FORMS]
    return found


def titled(value: object) -> str:
    return f"{value.parent.name}/{value.name}" if isinstance(value, Path) else str(value)


def item_of(path: Path, today: str = DAY) -> Item:
    """An example, its dates as of a day."""
    if path.stem != "message":
        return read(path.name, moved(path.read_bytes(), today), most_bytes=10_000_000, own_forms=OWN_FORMS).items[0]
    target = BytesIO()
    with ZipFile(target, "w") as archive:
        for file in sorted(path.parent.iterdir()):
            archive.writestr(file.name, moved(file.read_bytes(), today) if file == path else file.read_bytes())
    return read("example.zip", target.getvalue(), most_bytes=100_000_000).items[0]


def files_of(path: Path) -> dict[str, bytes]:
    """What lies beside the message of a ZIP."""
    beside = path.parent.iterdir() if path.stem == "message" else ()
    return {file.name: file.read_bytes() for file in beside if file != path}


def checked(
    compiled: Compiled, item: Item, document: Document | None = None, files: Mapping[str, bytes] = NO_FILES, *, now_ms: int = NOON
) -> Checked:
    """Held against the profile alone: what other documents say is what this one has said."""

    def filed(source: FiledSource, number: str, party: str) -> FiledContent:
        said = document.content if document else {}
        rows = said.get(source.table.removesuffix("[]"), []) if source.table else [said]
        return FiledContent(compiled.profile.title, {tuple(row.get(path, "") for path in source.key): row for row in rows})

    empty = item.body is None or len(item.body) == 0
    return check(
        compiled,
        item,
        account=ACCOUNT,
        document=document,
        operation=item.operation,
        numbers={},
        now_ms=now_ms,
        filed=filed if empty else None,
        files=files,
    )


def is_query(compiled: Compiled, item: Item) -> bool:
    """A query of the journal or the authority: its body is filters, not the document."""
    operation = compiled.profile.operations.get(item.operation)
    return item.operation == "query" and (operation is None or operation.body == "none")


def document_for(compiled: Compiled, item: Item, path: Path, today: str = DAY) -> Document | None:
    """The document that an example acts on: what the good examples before it have made of it."""
    document = None
    folder = compiled.profile.folder / "examples"
    order = list(tomllib.loads((folder / "expect.toml").read_text(encoding="utf-8")))
    here = path.name if path.stem != "message" else path.parent.name
    for name in order[: order.index(here)] if here in order else ():
        maker = item_of(folder / name if (folder / name).is_file() else next((folder / name).glob("message.*")), today)
        if item.document in (maker.document, maker.reference) and not is_query(compiled, maker):
            content = checked(compiled, maker, document, now_ms=times.read(today)).content
            document = Document("d", "demo", item.type, item.document, compiled.profile.version, 1, "", NOON, NOON, content)
    return document


def expected_warnings(path: Path) -> list[str]:
    """What a good example is warned of, as `expect.toml` says."""
    expected = tomllib.loads((path.parent / "expect.toml").read_text("utf-8")) if (path.parent / "expect.toml").is_file() else {}
    return list(expected.get(path.name, {}).get("warnings", ()))


def document_beside(compiled: Compiled, path: Path) -> Document | None:
    """The document that a bad example without a body acts on: its content, in `document-<RULE ID>.json` beside it."""
    beside = path.with_name(f"document-{path.stem.removeprefix('bad-')}.json")
    if not beside.is_file():
        return None
    content = json.loads(beside.read_text(encoding="utf-8"))
    return Document("d", "demo", compiled.profile.type, "key", compiled.profile.version, 1, "", NOON, NOON, content)


@pytest.mark.parametrize(("name", "path"), examples("ok") + examples("bench"), ids=titled)
def test_a_good_example_has_no_fault_and_the_warnings_that_it_shows(name: str, path: Path) -> None:
    compiled, item = COMPILED[name], item_of(path)
    if is_query(compiled, item):
        assert item.kind in compiled.profile.queries
        return

    faults = [
        (f.code, f.severity, f.path, f.zh)
        for f in checked(compiled, item, document_for(compiled, item, path), files_of(path)).faults
    ]

    assert [(code, severity) for code, severity, *_ in faults] == [(code, "warning") for code in expected_warnings(path)], faults


@pytest.mark.parametrize("day", ["2027-01-01", "2028-02-29", "2028-12-31", "2035-07-01"])
def test_a_good_example_is_as_good_in_years_to_come(day: str) -> None:
    now_ms = times.read(day)
    wrong = {}
    for name, path in examples("ok"):
        compiled, item = COMPILED[name], item_of(path, day)
        if not is_query(compiled, item):
            document = document_for(compiled, item, path, day)
            faults = checked(compiled, item, document, files_of(path), now_ms=now_ms).faults
            if [f.code for f in faults] != expected_warnings(path):
                wrong[f"{name}/{titled(path)}"] = [(f.code, f.path) for f in faults]

    assert wrong == {}


@pytest.mark.parametrize(("name", "path"), examples("bad"), ids=titled)
def test_a_bad_example_breaks_exactly_its_rule(name: str, path: Path) -> None:
    compiled, item = COMPILED[name], item_of(path)
    rule = path.stem.removeprefix("bad-")

    faults = checked(compiled, item, document_beside(compiled, path)).faults

    assert [f.code for f in faults] == [rule]
    assert faults[0].path.startswith("/")
    assert faults[0].label


@pytest.mark.parametrize("name", sorted(COMPILED))
def test_every_rule_has_a_bad_example(name: str) -> None:
    profile = COMPILED[name].profile
    shown = {path.stem.removeprefix("bad-") for path in (profile.folder / "examples").glob("bad-*")}
    own = {rule.id for rule in profile.rules if rule.place.startswith(f"{profile.folder}/")}  # test_profile_folders: its form's

    assert own <= shown <= {rule.id for rule in profile.rules}


@pytest.mark.parametrize(("name", "path"), [e for e in examples("ok") if e[1].suffix == ".xml"], ids=titled)
def test_what_was_checked_is_clean_and_the_same_when_checked_again(name: str, path: Path) -> None:
    compiled, item = COMPILED[name], item_of(path)
    operation = compiled.profile.operations.get(item.operation)
    if operation is None or operation.body != "whole" or operation.adds:
        return
    first = checked(compiled, item, files=files_of(path))
    before = Document("d", "demo", name, "key", compiled.profile.version, 1, "", NOON, NOON, first.content)

    again = check(
        compiled, item, account=ACCOUNT, document=before, operation=item.operation, numbers={}, now_ms=NOON, files=files_of(path)
    )

    nothing_new = ["GW-C42"] if operation.pending else []
    assert [f.code for f in again.faults] == [*expected_warnings(path), *nothing_new]
    assert again.content == first.content
