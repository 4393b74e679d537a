"""Where things may stand: the parts of the namespace, and the one place for each kind of effect.

Files are read as syntax, so a word in a docstring is no effect. Exceptions stand in lists, each with its reason; an exception
that nobody needs any more fails too.
"""

from __future__ import annotations

import ast
import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PARTS = ("codecs", "gateway", "inbox", "outbox", "routes", "signer", "simulators")
OURS = tuple(part for part in PARTS if part != "simulators")  #: the gateway; the simulators play others' machines

CARD_PROGRAMS = {"signer/cards/token_process.py", "signer/cards/token_setup.py"}
#: the journal's modules
JOURNAL = "gateway/journal/"
#: what is one database's alone
DATABASE = "tongguan.gateway.journal.database.engine"
RENAMES = {
    "gateway/system/storage/files.py",
    # exchanges two names at once, for status files, so that no inode is freed at each rewrite
    "outbox/status/rewriting.py",
    # plays the enterprise: drops files as an ERP does
    "gateway/bench/context.py",
}
#: who opens files that nobody can have put a pipe in the place of, or that somebody names with a command
OPENS = {
    "gateway/system/storage/files.py",
    "gateway/system/clock.py",
    # looks first, and tells less
    "signer/secret.py",
    # what is named with a command, which may be a pipe: `<(…)`
    "gateway/cli/health/audit.py",
    "gateway/cli/profiles/check.py",
    "gateway/cli/profiles/profiles.py",
    "gateway/cli/profiles/table_import.py",
    "gateway/cli/setup/service.py",
    # nowhere, in the place of an output that is closed
    "gateway/cli/__init__.py",
}
#: measures and shows with homes of its own
OWN_HOMES = ("gateway/bench/", "gateway/cli/demo/")
CLOCKS = {
    "gateway/system/clock.py",
    # the time inside a UUIDv7; nothing is decided by it
    "gateway/model/ids.py",
    # measures from outside; nothing of it runs in a gateway
    "gateway/bench/beside_merge.py",
    "gateway/bench/bench.py",
    "gateway/bench/process.py",
}
#: files that may name a path of some machine
PATHS = {
    # needs a folder that other users can reach, which pytest's own is not
    "tests/unit/inbox/test_mailbox.py",
}
MACHINE_PATH = re.compile(r"(?<![\w.<>{}()\[\]*?/\\-])/(?:work|tmp|root|Users|home/\w+)(?:/[\w.-]+)*")

#: where decisions are made; codecs and documents do nothing else
DECIDES = ("gateway/flow/", "gateway/document/", "codecs/")
#: what acts goes by and no decision may
LIVE = {"Site", "FlowJournal", "WorkJournal", "Journal", "Looks", "clock", "BusinessClock"}
#: modules among them that act, too
ACTS = {
    "gateway/flow/site.py",
    "gateway/flow/table.py",
    # orders of operators, read again at once when the ground moved
    "gateway/flow/orders.py",
    # the look at the cards, and who tells of it
    "gateway/flow/cards/looks.py",
    "gateway/flow/cards/watch.py",
    # what is counted anew in the background
    "gateway/flow/query/recount.py",
    # merges, portion by portion
    "gateway/flow/merging/merge.py",
    # what days begin
    "gateway/flow/slots.py",
    # the `act` of a step beside its decision
    "gateway/flow/intake/door.py",
    "gateway/flow/intake/unserved.py",
    "gateway/flow/printing/prints.py",
    "gateway/flow/query/authority/ask.py",
    "gateway/flow/receipts/receipts.py",
    "gateway/flow/submission/check.py",
    "gateway/flow/submission/owed.py",
    "gateway/flow/submission/seal.py",
    "gateway/flow/submission/checks/secrets.py",
    "gateway/flow/submission/send.py",
}

#: who asks the business clock; decisions are told by their moment (docs/architecture.md, "Two clocks")
DATES = {
    "gateway/system/business_clock.py",
    # makes the moment
    "gateway/flow/site.py",
    # an order ends a message, and moves its document back
    "gateway/flow/orders.py",
    # "printed at" on the page of what could not be printed
    "gateway/flow/printing/prints.py",
    # has a receipt been issued at a time that is still to come?
    "gateway/flow/query/authority/ask.py",
    "gateway/flow/receipts/receipts.py",
    "gateway/flow/submission/send.py",
    # does a broker's power still hold?
    "gateway/flow/submission/seal.py",
    # the year of the numbers that are lent, leased and skipped
    "gateway/daemon/daemon.py",
    "gateway/home/backup.py",
    "gateway/daemon/preparing/workers.py",
    # dates are checked, or the clock itself is shown
    "gateway/cli/profiles/check.py",
    "gateway/cli/health/doctor/doctor.py",
    "gateway/cli/health/status.py",
    # the year of examples that are played
    "gateway/cli/demo/demo.py",
    "gateway/bench/context.py",
    # which month is the last one
    "gateway/cli/messages/merge.py",
    # until when something must be declared
    "gateway/cli/health/deadlines.py",
    "gateway/daemon/watching/deadline_watch.py",
}
#: what holds no more of a moment than it is told
TIMELESS = ("codecs/", "gateway/document/", "gateway/model/", "gateway/profile/", "outbox/prints/", "signer/")
#: what makes the next version of a document, or an answer that bears a date
DATED = {"born", "changed", "opened", "undone", "status_told", "counted", "printed_at", "result_sheet", "series_ahead"}
#: who reads the machine's time among the simulators
SIMULATORS_CLOCKS = {
    "simulators/server/clock.py",
    # certificates are of the machine's time
    "simulators/setup.py",
    # measures a gateway, whose business days are days
    "simulators/bench_endpoint.py",
}

READS_TIME = {"time", "time_ns", "monotonic", "monotonic_ns", "perf_counter", "perf_counter_ns", "localtime", "gmtime"}
READS_DATE = {"now", "utcnow", "today"}


@cache
def _files() -> tuple[str, ...]:
    """The project's own files: those that git keeps, or everything outside dot folders where there is no git."""
    try:
        told = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=True).stdout
        names = [os.fsdecode(name) for name in told.split(b"\0") if name]
    except (OSError, subprocess.CalledProcessError):
        found = (path.relative_to(ROOT) for path in ROOT.rglob("*"))
        names = [str(p) for p in found if not any(x.startswith(".") or x in ("build", "__pycache__") for x in p.parts)]
    return tuple(sorted(name for name in names if (ROOT / name).is_file() and not name.startswith("src/tongguan/")))


@cache
def _tree(name: str) -> ast.Module:
    return ast.parse((ROOT / name).read_text(encoding="utf-8"))


def _modules(*parts: str) -> Iterator[str]:
    return (name for name in _files() if name.endswith(".py") and name.split("/")[0] in parts)


def _imported(name: str) -> Iterator[str]:
    """Dotted names of all modules that a file imports, anywhere in it."""
    for node in ast.walk(_tree(name)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield node.module


def _names_imported(name: str) -> set[str]:
    """What a file imports by name, anywhere in it."""
    nodes = (node for node in ast.walk(_tree(name)) if isinstance(node, ast.ImportFrom))
    return {alias.name for node in nodes for alias in node.names}


def _deciding(name: str) -> Iterator[ast.FunctionDef]:
    """The functions of a file that are given rules or a moment."""
    for node in ast.walk(_tree(name)):
        if isinstance(node, ast.FunctionDef):
            given = (*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs)
            if {a.annotation.id for a in given if isinstance(a.annotation, ast.Name)} & {"Rules", "Moment"}:
                yield node


def _importing(top: str, *parts: str) -> set[str]:
    return {name for name in _modules(*parts) if any(each.split(".")[0] == top for each in _imported(name))}


def _with(wanted: Callable[[ast.AST], bool], *parts: str) -> set[str]:
    return {name for name in _modules(*parts) if any(map(wanted, ast.walk(_tree(name))))}


def _renames(node: ast.AST) -> bool:
    if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Attribute):
        return False
    whose = node.func.value.id if isinstance(node.func.value, ast.Name) else ""
    if node.func.attr in ("rename", "renames") or (whose, node.func.attr) in (("os", "replace"), ("shutil", "move")):
        return True
    # Path.replace has one argument; str.replace has two, dataclasses.replace and datetime.replace have named ones
    return node.func.attr == "replace" and len(node.args) == 1 and not node.keywords


def _reads_clock(node: ast.AST) -> bool:
    if isinstance(node, ast.ImportFrom) and node.module == "time":
        return any(alias.name in READS_TIME for alias in node.names)
    if not isinstance(node, ast.Attribute) or not isinstance(node.value, ast.Name | ast.Attribute):
        return False
    whose = node.value.id if isinstance(node.value, ast.Name) else node.value.attr
    return (whose == "time" and node.attr in READS_TIME) or (whose in ("datetime", "date") and node.attr in READS_DATE)


def test_the_namespace_has_exactly_these_parts_and_each_is_a_link_to_its_folder() -> None:
    entries = [path for path in (ROOT / "src" / "tongguan").iterdir() if path.name != "__pycache__"]

    links = {path.name: os.readlink(path) for path in entries if path.is_symlink()}
    assert links == {part: f"../../{part}" for part in PARTS}
    assert {path.name for path in entries if not path.is_symlink()} == {"__init__.py", "py.typed"}


def test_codecs_is_a_namespace_of_its_own_without_init() -> None:
    assert not (ROOT / "codecs" / "__init__.py").exists()


def test_nothing_imports_a_part_by_its_bare_name() -> None:
    wrong = [
        f"{name}: {each}" for name in _files() if name.endswith(".py") for each in _imported(name) if each.split(".")[0] in PARTS
    ]

    assert wrong == []


def test_no_file_names_a_path_of_the_machine_it_was_written_on() -> None:
    wrong: list[tuple[str, str]] = []
    for name in _files():
        raw = (ROOT / name).read_bytes()
        if b"\0" in raw:
            continue
        for line, text in enumerate(raw.decode("utf-8", "replace").splitlines(), 1):
            found = MACHINE_PATH.findall(text)
            wrong += [(name, f"{line}: {each}") for each in found]

    assert [each for each in wrong if each[0] not in PATHS] == []
    assert {name for name, _ in wrong} == PATHS


def test_only_the_cards_programs_import_pykcs11() -> None:
    assert _importing("PyKCS11", *PARTS) == CARD_PROGRAMS


@pytest.mark.parametrize("name", sorted(CARD_PROGRAMS))
def test_a_card_program_imports_nothing_of_ours(name: str) -> None:
    assert [each for each in _imported(name) if each.split(".")[0] == "tongguan"] == []


def test_the_gateways_process_never_has_pykcs11_loaded() -> None:
    program = (
        "import sys, tongguan.gateway.daemon.daemon, tongguan.gateway.daemon.assembly, tongguan.signer.cards.token, tongguan.signer.cards.software\n"
        "sys.exit('PyKCS11' in sys.modules)"
    )

    assert subprocess.run([sys.executable, "-c", program], cwd=ROOT, check=False, timeout=60).returncode == 0


def test_only_the_journals_modules_import_sqlalchemy() -> None:
    assert {name for name in _importing("sqlalchemy", *OURS) if not name.startswith(JOURNAL)} == set()


def test_only_files_renames() -> None:
    assert _with(_renames, *OURS) == RENAMES


def test_only_files_opens_what_lies_in_a_home() -> None:
    """Anything else than a file there would have who opens it wait for ever; `files.plain` and `files.read` look first."""

    def opens(node: ast.AST) -> bool:
        if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Attribute):
            return False
        first = node.args[0] if node.args else None
        mode = node.func.attr == "open" and isinstance(first, ast.Constant) and isinstance(first.value, str)
        if ast.unparse(node.func.value) == "os":
            return False
        reads = mode or node.func.attr in ("read_bytes", "read_text")
        return reads and not ast.unparse(node.func.value).startswith("files.plain(")

    assert {name for name in _with(opens, *OURS) if not name.startswith(OWN_HOMES)} == OPENS


def test_only_the_clock_reads_the_time() -> None:
    assert _with(_reads_clock, *OURS) == CLOCKS


def test_only_who_dates_something_asks_the_business_clock() -> None:
    def asks(node: ast.AST) -> bool:
        return (
            isinstance(node, ast.Call) and ast.unparse(node.func).endswith(".now_ms") and ast.unparse(node.func) != "clock.now_ms"
        )

    assert _with(asks, *OURS) == DATES


def test_what_is_told_its_moment_reads_no_wall_clock() -> None:
    def reads(node: ast.AST) -> bool:
        return isinstance(node, ast.Attribute) and ast.unparse(node) in ("clock.now", "clock.now_ms")

    assert {name for name in _with(reads, *OURS) if name.startswith(TIMELESS)} == set()


def test_nothing_is_dated_by_the_machines_clock() -> None:
    """A document's times, and what is printed or numbered by a date, are `moment.business` or what comes of it, never `now`."""
    wrong = [
        f"{name}:{node.lineno}"
        for name in _modules(*OURS)
        for node in ast.walk(_tree(name))
        if isinstance(node, ast.Call) and _called(node) in DATED
        if any(_is_machine_time(each) for each in (*node.args, *(word.value for word in node.keywords)))
    ]

    assert wrong == []


def test_no_day_is_that_of_the_machine() -> None:
    """`china_date(moment.now)` would be a day of no document."""
    wrong = [
        f"{name}:{node.lineno}"
        for name in _modules(*OURS)
        for node in ast.walk(_tree(name))
        if isinstance(node, ast.Call) and ast.unparse(node.func).endswith("china_date")
        if any(ast.unparse(each) in ("moment.now", "request.now", "clock.now_ms()") for each in node.args)
    ]

    assert wrong == []


def _called(node: ast.Call) -> str:
    return node.func.id if isinstance(node.func, ast.Name) else ""


def _is_machine_time(node: ast.expr) -> bool:
    if isinstance(node, ast.Call):
        return ast.unparse(node.func) in ("clock.now_ms", "clock.now")
    return (isinstance(node, ast.Name) and node.id == "now") or (isinstance(node, ast.Attribute) and node.attr == "now")


def test_the_simulators_have_one_clock() -> None:
    def reads(node: ast.AST) -> bool:
        return _reads_clock(node) and getattr(node, "attr", "") in {"time", "time_ns", *READS_DATE}

    assert _with(reads, "simulators") == SIMULATORS_CLOCKS


def test_what_every_database_must_do_is_tested_without_knowing_one() -> None:
    folder = ROOT / "tests" / "unit" / "journal"
    tests = [path.relative_to(ROOT).as_posix() for path in folder.glob("*.py")]
    knowing = {name: [m for m in _imported(name) if m.startswith(("sqlite3", "sqlalchemy", DATABASE))] for name in tests}

    assert {name: modules for name, modules in knowing.items() if modules} == {}
    assert not [name for name in tests if "Journal.open" in (ROOT / name).read_text(encoding="utf-8")]


def test_only_what_acts_knows_what_is_open_or_what_time_it_is() -> None:
    assert {name for name in _modules(*OURS) if name.startswith(DECIDES) and _names_imported(name) & LIVE} == ACTS


def test_what_is_given_rules_or_a_moment_is_given_all_and_names_nothing_that_lives() -> None:
    functions = [(name, each) for name in _modules(*OURS) if name.startswith(DECIDES) for each in _deciding(name)]
    wrong = [
        f"{name} {each.name}"
        for name, each in functions
        if any(isinstance(node, ast.Name) and node.id in {*LIVE, "site"} for node in ast.walk(each))
    ]

    assert len(functions) > 50
    assert wrong == []
