"""The documentation is under test: what a user may meet is told there, and what is told there exists."""

from __future__ import annotations

import ast
import importlib.util
import json
import re
import tomllib
from collections.abc import Iterator, Mapping
from functools import cache
from importlib.resources import files
from pathlib import Path
from types import ModuleType
from typing import Annotated, Any, get_args

import pytest
from pydantic import BaseModel, TypeAdapter
from pydantic.fields import FieldInfo

from tongguan.codecs.reading import vocabulary
from tongguan.codecs.reading.formats import read_zip
from tongguan.codecs.reading.vocabulary import ATTRIBUTES, KEYS
from tongguan.gateway.cli.commands import COMMANDS, CommandGroup
from tongguan.gateway.model.alert_codes import ALERT_CODES
from tongguan.gateway.model.errors import Fault
from tongguan.gateway.model.message import FINAL, Kind, Message, State
from tongguan.gateway.profile.example_dates import moved
from tongguan.gateway.settings import Settings
from tongguan.outbox.status import render

ROOT = Path(__file__).parents[2]
OPERATIONS = ("docs/operations.md", "docs/operations.zh.md")
READMES = ("README.md", "README.zh.md")
MESSAGES = ("docs/messages.md", "docs/messages.zh.md")
TWINS = pytest.mark.parametrize(("english", "chinese"), [READMES, OPERATIONS, MESSAGES], ids=["readme", "operations", "messages"])
ALERTING = ("gateway", "inbox", "outbox")  #: parts that raise alerts
READING = ("gateway", "inbox", "outbox", "routes", "signer", "codecs")  #: parts that settings may have an effect in
CODING = ("codecs", "gateway", "inbox")  #: parts that find faults
REQUIRED = {"required", "必填"}
YES = {"yes", "是"}

in_each_language = pytest.mark.parametrize("page", OPERATIONS)
in_each_readme = pytest.mark.parametrize("page", READMES)


@cache
def _text(page: str) -> str:
    return (ROOT / page).read_text(encoding="utf-8")


@cache
def _nodes(path: Path) -> tuple[ast.AST, ...]:
    """All of a module, in no order that matters."""
    return tuple(ast.walk(ast.parse(path.read_text(encoding="utf-8"))))


def _prose(page: str) -> str:
    """The page without its code blocks."""
    return re.sub(r"^```.*?^```", "", _text(page), flags=re.MULTILINE | re.DOTALL)


def _rows(text: str) -> Iterator[list[str]]:
    """Cells of every table row, but for heads and rules."""
    lines = text.splitlines()
    for before, line in zip(["", *lines], lines, strict=False):
        if line.startswith("| ") and before.startswith("|"):
            yield [cell.strip() for cell in line.strip("|").split(" | ")]


def _coded(cell: str) -> str:
    """The first thing of a cell that stands in backticks; empty when it does not begin with one."""
    found = re.match(r"`([^`]*)`", cell)
    return found[1] if found else ""


def _tables(page: str) -> Mapping[str, list[list[str]]]:
    """Rows by the heading that they stand under."""
    pieces = re.split(r"^#{2,3} (.*)$", _text(page), flags=re.MULTILINE)
    return {heading: list(_rows(body)) for heading, body in zip(pieces[1::2], pieces[2::2], strict=True)}


# Settings


def _part(field: FieldInfo) -> type[BaseModel] | None:
    """The model that a field holds one or many of."""
    waiting: list[Any] = [field.annotation]
    while waiting:
        kind = waiting.pop()
        if isinstance(kind, type) and issubclass(kind, BaseModel):
            return kind
        waiting += get_args(kind)
    return None


def _sections(model: type[BaseModel], name: str = "") -> Iterator[tuple[str, str, FieldInfo]]:
    """Section as the page heads it, key, and what the program knows of the key."""
    for key, field in model.model_fields.items():
        part = _part(field)
        if part is None or name:
            yield name, key, field
        if part is not None:
            inner = f"{name.strip('`[]')}.{key}".strip(".")
            many = str(field.annotation).startswith("tuple")
            heading = f"`[[{inner}]]`" if many else f"`[{inner}.<authority>]`" if field.annotation is not part else f"`[{inner}]`"
            yield from _sections(part, heading)


SETTINGS = [each for each in _sections(Settings) if each[:2] != ("", "home")]


@in_each_language
@pytest.mark.parametrize(("section", "key", "field"), SETTINGS, ids=[f"{s}.{k}" for s, k, _ in SETTINGS])
def test_a_setting_is_told_with_its_default_and_its_meaning(page: str, section: str, key: str, field: FieldInfo) -> None:
    told = {_coded(row[0]): row for row in _tables(page).get(section, [])}

    assert key in told, f"{page}: {section} says nothing of {key}"
    default, meaning = told[key][1:]
    assert meaning
    if field.is_required():
        assert default in REQUIRED
        return
    value = tomllib.loads(f"value = {_coded(default)}")["value"]
    form: Any = Annotated[field.annotation, *field.metadata] if field.metadata else field.annotation
    assert TypeAdapter(form).validate_python(value) == field.get_default(call_default_factory=True)


@in_each_language
def test_no_setting_is_told_that_does_not_exist(page: str) -> None:
    told = {(heading, _coded(row[0])) for heading, rows in _tables(page).items() if heading.startswith("`[") for row in rows}

    assert told - {(section, key) for section, key, _ in SETTINGS} == set()


@cache
def _reads() -> frozenset[tuple[str, str]]:
    """Every `owner.name` of the gateway's code, the owner by its last word."""
    found = set()
    for path in (path for part in READING for path in (ROOT / part).rglob("*.py") if path.name != "settings.py"):
        for node in _nodes(path):
            if isinstance(node, ast.Attribute):
                owner = node.value.attr if isinstance(node.value, ast.Attribute) else getattr(node.value, "id", "")
                found.add((owner, node.attr))
    return frozenset(found)


@in_each_language
def test_a_setting_is_called_reserved_when_and_only_when_nothing_reads_it(page: str) -> None:
    reserved = {
        (section, _coded(row[0]))
        for section, rows in _tables(page).items()
        if section.startswith("`[")
        for row in rows
        if row[2].startswith(("*Reserved*", "*保留*"))
    }
    own = {(section, key, section.strip("`[]").split(".")[0]) for section, key, _ in SETTINGS}
    names = {name for _, name in _reads()}

    assert [(section, key) for section, key, owner in own if (section, key) in reserved and (owner, key) in _reads()] == []
    assert [(s, k) for s, k, _ in own if (s, k) not in reserved and k not in names] == []


# States


@in_each_language
def test_every_state_has_its_sentence_and_says_whether_it_is_final(page: str) -> None:
    states = next(rows for heading, rows in _tables(page).items() if heading in ("States", "状态"))
    told = {_coded(row[0]): row for row in states}

    assert set(told) == {state.value for state in State}
    assert all(row[1] for row in told.values())
    assert {name for name, row in told.items() if row[2] in YES} == {state.value for state in FINAL}


# Commands


def _commands() -> set[str]:
    """Every command of the program, as typed."""
    if importlib.util.find_spec("tongguan.gateway.cli") is None:
        pytest.skip("there is no command line yet")
    # Imported here, so that the other tests tell what they find when the command line cannot be imported.
    from tongguan.gateway.cli.commands import make_app

    return {f"tongguan {name}" for name in _leaves(make_app())}


def _leaves(command: Any, name: str = "") -> Iterator[str]:
    for word, inner in getattr(command, "commands", {}).items():
        if getattr(inner, "hidden", False):
            continue
        if hasattr(inner, "commands"):
            yield from _leaves(inner, f"{name}{word} ")
        else:
            yield f"{name}{word}"


def _told_commands(page: str) -> set[str]:
    rows = next(rows for heading, rows in _tables(page).items() if heading in ("Commands", "命令"))
    return {_coded(row[0]) for row in rows}


@in_each_language
def test_every_command_is_told(page: str) -> None:
    assert sorted(_commands() - _told_commands(page)) == []


@in_each_language
def test_no_command_is_told_that_does_not_exist(page: str) -> None:
    assert sorted(_told_commands(page) - _commands()) == []


@pytest.mark.parametrize("page", [*OPERATIONS, *READMES])
def test_commands_named_in_the_text_exist(page: str) -> None:
    known = _commands()
    groups = {" ".join(name.split()[:2]) for name in known}
    named = {" ".join(words) for words in re.findall(r"(tongguan) ([a-z][a-z-]+)", _text(page))}

    assert sorted(named - known - groups) == []


def _texts() -> Iterator[tuple[str, str]]:
    """File and text of every string that the program holds; of an f-string its fixed pieces."""
    for path in sorted(path for part in READING for path in (ROOT / part).rglob("*.py")):
        for node in _nodes(path):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                yield str(path.relative_to(ROOT)), node.value


def test_commands_that_the_program_tells_people_to_type_exist() -> None:
    known = {tuple(name.split()[1:]) for name in _commands()}
    groups = {name[0] for name in known if len(name) > 1}
    told = [
        (file, first, second)
        for file, text in _texts()
        for first, second in re.findall(r"(?:[:;：；] |执行 |type: |^\s*)tongguan ([a-z-]+)(?: ([a-z-]+))?", text)
    ]

    alone = {(name, "") for name, entry in COMMANDS.items() if isinstance(entry, CommandGroup) and entry.otherwise}
    assert told
    assert [each for each in told if ((each[1:]) if each[1] in groups else (each[1],)) not in known | alone] == []


# Alerts


def _alerts(*methods: str) -> set[str]:
    """Codes that the program gives to these methods of the alerts."""
    paths = (path for part in ALERTING for path in (ROOT / part).rglob("*.py"))
    calls = (node for path in paths for node in _nodes(path) if isinstance(node, ast.Call))
    told = (call.args[0] for call in calls if call.args and isinstance(call.func, ast.Attribute) and call.func.attr in methods)
    return {code.value for code in told if isinstance(code, ast.Constant) and isinstance(code.value, str)}


def test_every_alert_has_its_end() -> None:
    """A trouble that is told and never over stands in the heartbeat until the gateway is restarted."""
    assert _alerts("tell", "stands") - _alerts("over", "only", "stands") == set()
    assert _alerts("over", "only") - _alerts("tell") == set()


def test_a_channel_may_be_given_every_alert_and_no_other() -> None:
    assert _alerts("tell", "stands") == ALERT_CODES


@in_each_language
def test_every_alert_is_told_and_no_other(page: str) -> None:
    rows = next(rows for heading, rows in _tables(page).items() if heading in ("Alerts", "告警"))

    assert {_coded(row[0]) for row in rows} == _alerts("tell", "stands")


# Document types

TYPES = sorted(path.parent.name for path in (Path(str(files("tongguan"))) / "gateway" / "profiles").glob("*/*/profile.toml"))


@in_each_readme
def test_every_document_type_is_told(page: str) -> None:
    rows = next(rows for heading, rows in _tables(page).items() if heading in ("Document types", "单证类型"))
    licences = "docs/licences.zh.md" if ".zh." in page else "docs/licences.md"
    listed = {_coded(row[1]) for row in _rows(_text(licences))}

    assert licences in _text(page)
    assert {_coded(row[0]) for row in rows} | listed == set(TYPES)


def test_some_document_types_are_installed() -> None:
    assert TYPES


# Messages, their answers, their limits


def _words(page: str) -> set[str]:
    return set(re.findall(r"`([^`]+)`", _prose(page)))


@pytest.mark.parametrize("page", MESSAGES)
def test_every_attribute_and_key_of_a_message_is_told(page: str) -> None:
    assert sorted({*ATTRIBUTES, *KEYS} - {"type", "body"} - _words(page)) == []


@pytest.mark.parametrize("page", MESSAGES)
def test_every_field_of_a_status_file_is_told(page: str) -> None:
    message = Message(
        id="1", kind=Kind.SUBMISSION, account="demo", type="T", operation="save", state=State.HELD,
        received_at=0, updated_at=0, batch="0", faults=(Fault("GW-M01", "错", "wrong"),),
        extra=dict.fromkeys(render._SHOWN, "x"),
    )  # fmt: skip
    told = render.message_status(
        message, document=None, receipts=(), items=(), environment="test", language="en", profile=None
    )  # fmt: skip
    shown = json.loads(told)

    fields = {*shown, *shown["hold"], *shown["faults"][0]}
    assert sorted(fields - _words(page)) == []


@pytest.mark.parametrize("page", MESSAGES)
def test_every_family_of_fault_codes_is_told_and_no_other(page: str) -> None:
    sources = (path.read_text(encoding="utf-8") for part in CODING for path in (ROOT / part).rglob("*.py"))
    families = {f"GW-{letter}…" for source in sources for letter in re.findall(r'"GW-([A-Z])\d\d"', source)}

    assert {word for word in _words(page) if re.fullmatch("GW-[A-Z]…", word)} == families


LIMITS = [(module, name) for module in (vocabulary, read_zip) for name in vars(module) if name.startswith("MOST_")]


@pytest.mark.parametrize(("module", "name"), LIMITS, ids=[name for _, name in LIMITS])
def test_a_limit_on_what_comes_in_is_told_with_its_module(module: ModuleType, name: str) -> None:
    value = int(getattr(module, name))
    forms = (f"{value:,}", f"{value // 1_000_000} MB")
    told = [
        row[1] for row in _tables("docs/security.md")["Limits on what comes in"] if str(module.__name__).split(".")[-1] in row[2]
    ]

    assert any(re.search(rf"(?<![\d,]){form}(?!,?\d)", cell) for form in forms for cell in told)


# Twins


@TWINS
def test_both_languages_have_the_same_headings_blocks_and_rows(english: str, chinese: str) -> None:
    assert _levels(english) == _levels(chinese)
    assert _blocks(english) == _blocks(chinese)
    assert [len(rows) for rows in _tables(english).values()] == [len(rows) for rows in _tables(chinese).values()]


@TWINS
def test_both_languages_name_the_same_commands_in_each_section(english: str, chinese: str) -> None:
    named = [
        [sorted(re.findall(r"`((?:tongguan|make|pip) [^`]*)`", " ".join(map(" ".join, rows)))) for rows in _tables(page).values()]
        for page in (english, chinese)
    ]

    assert named[0] == named[1]


def _levels(page: str) -> list[str]:
    return re.findall(r"^(#+) ", _prose(page), re.MULTILINE)


def _blocks(page: str) -> list[str]:
    return re.findall(r"^```.*?^```", _text(page), re.MULTILINE | re.DOTALL)


# Links


@pytest.mark.parametrize("page", sorted(str(p.relative_to(ROOT)) for p in [*ROOT.glob("*.md"), *ROOT.glob("docs/*.md")]))
def test_every_link_leads_to_a_file(page: str) -> None:
    links = [link for link in re.findall(r"\]\(([^)#]+)[^)]*\)", _text(page)) if "://" not in link]

    assert [link for link in links if not ((ROOT / page).parent / link).is_file()] == []


@pytest.mark.parametrize("page", READMES)
def test_the_first_example_is_without_a_word_in_any_year_and_is_the_one_that_is_shown(page: str) -> None:
    dropped, shown = (re.search(said, _text(page)) for said in (r"(?m)^cp (\S+) HOME/", r"(?m)^tongguan show (\S+) --home HOME$"))
    assert dropped and shown
    content = (ROOT / dropped[1]).read_bytes()

    assert moved(content, "2031-01-01") == content  # no day and no year stands in it
    assert f'reference="{shown[1]}"'.encode() in content
