"""`tongguan list` finds what is looked for, says how many there are, and takes no name that nothing has for an empty list."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from rounds import turn
from sites import wait_until

from tongguan.gateway.cli.messages.selection import fault_codes
from tongguan.gateway.daemon.daemon import Daemon
from tongguan.gateway.home.home import change_settings
from tongguan.gateway.model.errors import Fault, Held
from tongguan.gateway.model.outcome import Outcome
from tongguan.gateway.model.record import replace
from tongguan.gateway.profile.loading import load_profiles
from tongguan.gateway.system import clock
from tongguan.gateway.work.loop import hold

pytestmark = pytest.mark.requirement("GW-08")
ROOT = Path(__file__).parents[3]
Say = Callable[..., Any]
FORM = '<NA.application xmlns="urn:tongguan:NA.application:1" operation="{}" reference="{}" kind="status"{}/>'


@pytest.fixture
def listed(home: Path) -> Path:
    """A home with five messages: refused declares and a held one, and a question that no authority answers yet."""
    change_settings(home, "gateway", "settle", "0s")
    box = home / "mailboxes/demo/OutBox"
    for name in ("a", "b", "c"):
        (box / f"{name}.xml").write_text(FORM.format("declare", f"ORDER-{name}", ""))
    (box / "q.xml").write_text(FORM.format("query", "question", ' number="26NA1"'))
    (box / "合同.xml").write_text(FORM.format("query", "held", ' number="26NA2"'))
    daemon = Daemon(home)
    status = home / "mailboxes/demo/Status"
    wait_until(lambda: not turn(daemon) and len(list(status.glob("*.status.json"))) == 5, "the status files")
    with daemon.journal.search() as records:
        (held,) = records.find("held", None)
    traced = replace(held, extra={**(held.extra or {}), "traceback": "Traceback: once upon a time"})
    why = Held("等客户确认", "ask the customer", do="tongguan release ID")
    daemon.journal.finish([(hold(traced, "test", why, clock.now_ms()),)])
    daemon.stop()
    return home


def references(said: Any) -> list[str]:
    return [each["reference"] for each in said.json]


def test_how_many_there_are_is_said_and_each_page_goes_on_where_the_last_one_ended(listed: Path, tongguan: Say) -> None:
    pages = [references(tongguan("list", "--json", "--limit", 2, "--page", page)) for page in (1, 2, 3)]

    assert [len(page) for page in pages] == [2, 2, 1]
    assert sorted(name for page in pages for name in page) == ["ORDER-a", "ORDER-b", "ORDER-c", "held", "question"]
    assert "共 5 条，第 2/3 页；下一页：--page 3" in tongguan("list", "--limit", 2, "--page", 2).out
    assert "1 message\n" in tongguan("list", "--text", "question", "--lang", "en").out
    assert tongguan("list", "--count", "--state", "refused", "--json").json == {"total": 4}
    assert tongguan("list", "--count", "--type", "NA.application").out.strip() == "5"


def test_a_message_is_found_by_its_fault_its_words_and_its_time(listed: Path, tongguan: Say) -> None:
    refused = tongguan("show", "ORDER-a", "--json").json[0]
    code = refused["faults"][0]["code"]

    assert sorted(references(tongguan("list", "--fault", code, "--json"))) == ["ORDER-a", "ORDER-b", "ORDER-c"]
    assert references(tongguan("list", "--text", "order-B", "--json")) == ["ORDER-b"]
    assert references(tongguan("list", "--text", "合同", "--json")) == ["held"]
    assert references(tongguan("list", "--text", "客户", "--json")) == ["held"]
    assert references(tongguan("list", "--text", "%", "--json")) == []
    assert len(references(tongguan("list", "--since", "1h", "--json"))) == 5
    assert references(tongguan("list", "--until", "1h", "--json")) == []


def test_the_file_stands_in_a_column(listed: Path, tongguan: Say) -> None:
    assert [line.split()[-1] for line in tongguan("list", "--text", "held").out.splitlines()[:2]] == ["文件", "合同.xml"]


@pytest.mark.parametrize("command", ["list", "documents"])
@pytest.mark.parametrize(
    ("option", "wrong", "near"),
    [("--type", "NA.aplication", "NA.application"), ("--account", "dem0", "demo")],
)
def test_a_name_that_nothing_has_is_refused(
    listed: Path, tongguan: Say, command: str, option: str, wrong: str, near: str
) -> None:
    said = tongguan(command, option, wrong, "--lang", "en")

    assert (said.code, said.out) == (2, "")
    assert wrong in said.err and near in said.err


@pytest.mark.parametrize(
    ("wrong", "near"),
    [("nope", "tongguan profiles"), ("gw-c07", "GW-C07"), ("GW-C0", "GW-C0"), ("NA-R999", "NA-R"), ("GW-A01", "GW-")],
)
def test_so_is_a_code_that_no_fault_has(listed: Path, tongguan: Say, wrong: str, near: str) -> None:
    for command in ("list", "give-up"):
        said = tongguan(command, "--fault", wrong, "--lang", "en", "--json")

        assert (said.code, said.out) == (2, "")
        assert wrong in said.err and near in said.err


@pytest.mark.parametrize("code", ["GW-F99", "GW-D01", "NA-R05", "CD-L28"])
def test_a_code_that_no_message_has_yet_finds_none(listed: Path, tongguan: Say, code: str) -> None:
    assert tongguan("list", "--fault", code, "--json").json == []


def test_an_authority_has_codes_of_its_own(listed: Path, tongguan: Say) -> None:
    daemon = Daemon(listed)
    with daemon.journal.search() as records:
        (message,) = records.find("ORDER-a", None)
    told = replace(message, faults=(Fault("E-17", "印章不清", "the seal is not clear"),))
    daemon.journal.finish([(Outcome(told, message.state, "test"),)])
    daemon.stop()

    assert references(tongguan("list", "--fault", "E-17", "--json")) == ["ORDER-a"]
    assert references(tongguan("list", "--fault", "E-17", "--state", "held", "--json")) == []
    assert tongguan("list", "--fault", "E-18", "--json").code == 2


def test_every_code_that_the_gateway_gives_is_known() -> None:
    sources = (file.read_text("utf-8") for part in ("codecs", "gateway", "inbox") for file in (ROOT / part).rglob("*.py"))

    assert {code for source in sources for code in re.findall(r"GW-[CDEFJMPSXZ][0-9]{2}", source)} <= fault_codes(load_profiles())


@pytest.mark.parametrize(
    ("option", "wrong"), [("--operation", "declair"), ("--state", "lost"), ("--until", "soon"), ("--since", "２h")]
)
def test_so_is_an_operation_a_state_or_a_time(listed: Path, tongguan: Say, option: str, wrong: str) -> None:
    assert tongguan("list", option, wrong).code == 2


@pytest.mark.parametrize("page", ["1000000001", "9" * 30])
def test_a_page_that_no_list_has_is_no_bug(listed: Path, tongguan: Say, page: str) -> None:
    assert tongguan("list", "--page", page).code == 2


def test_a_name_tears_no_row_and_orders_no_terminal_about(home: Path, tongguan: Say) -> None:
    change_settings(home, "gateway", "settle", "0s")
    name = "a\nb\x1b[2J\x9b2J\u202e.xml"
    (home / "mailboxes/demo/OutBox" / name).write_text(FORM.format("declare", "ORDER", ""))
    daemon = Daemon(home)
    wait_until(lambda: not turn(daemon) and list((home / "mailboxes/demo/Status").glob("*.status.json")), "the status file")
    daemon.stop()

    said, listed = tongguan("list"), tongguan("list", "--json")
    (told,) = listed.json

    assert told["file"] == name
    assert [line for line in said.out.splitlines() if "a⟨U+000A⟩b⟨U+001B⟩[2J⟨U+009B⟩2J⟨U+202E⟩.xml" in line]
    assert r"a\nb\u001b[2J\u009b2J\u202e.xml" in listed.out
    assert "\x1b" not in said.out + tongguan("show", name).out + tongguan("show", f"x{name}").err


def test_a_held_message_is_shown_with_its_reason_and_traceback_until_it_goes_on(listed: Path, tongguan: Say) -> None:
    for language, words in (("zh", ("等客户确认", "非机电产品")), ("en", ("ask the customer", "utomatic"))):
        said = tongguan("show", "held", "--lang", language).out
        assert all(word in said for word in (*words, "NA.application query", "once upon a time")), said
    message = tongguan("show", "held", "--json").json[0]["message_id"]
    assert f"tongguan release {message}" in tongguan("show", "held").out

    assert tongguan("give-up", "held", "--why", "over").code == 0
    assert "once upon a time" not in tongguan("show", "held").out


def test_orders_take_the_same_filters(listed: Path, tongguan: Say) -> None:
    said = tongguan("give-up", "--text", "held", "--until", "2100-01-01", "--dry-run", "--json")

    assert [each["reference"] for each in said.json["messages"]] == ["held"]


@pytest.mark.parametrize("words", [["--limit", "１０"], ["--page", "２"], ["--limit", "٣"]], ids=" ".join)
def test_digits_of_other_scripts_are_no_numbers(tongguan: Say, home: Path, words: list[str]) -> None:
    assert tongguan("list", *words).code == 2
