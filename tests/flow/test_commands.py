"""The commands of operators, on a running gateway and on one that stands still."""

from __future__ import annotations

import contextlib
import io
import json
import re
import sqlite3
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from bodies import APPLICATION, application, fresh, xml
from sites import Site, second_account, wait_until

from tongguan.gateway.cli import main


@dataclass(frozen=True)
class Said:
    """What a command said, and how it ended."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


def say(site: Site, *words: object) -> Said:
    """Type a command about this site; in this process, so that it costs no start of another."""
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err), pytest.raises(SystemExit) as ended:
        main([*map(str, words), "--home", str(site.home)])
    return Said(int(ended.value.code or 0), out.getvalue(), err.getvalue())


def dropped(site: Site, operation: str = "save", reference: str | None = None) -> str:
    """Drop an application; its reference."""
    reference = reference or fresh("cmd")
    site.drop(xml(application(operation, reference=reference)), name=f"{reference}.xml")
    return reference


def ended(site: Site, operation: str = "save") -> dict[str, Any]:
    """The status of an application that was dropped and accepted."""
    return site.wait(f"{dropped(site, operation)}.xml", "accepted")


def state(site: Site, reference: str) -> str:
    return str(say(site, "show", reference, "--json").json[-1]["state"])


def sent_nowhere(site: Site) -> str:
    """A declare that got as far as a route that is paused; its reference."""
    assert say(site, "pause", "route", "mofcom", "--why", "test").code == 0
    reference = dropped(site, "declare")
    site.wait(f"{reference}.xml", "sealed")
    return reference


@pytest.fixture
def still(own_site: Site) -> Site:
    """A site whose gateway ran once, took one message that it could not send, and stopped."""
    own_site.run()
    own_site.reference = sent_nowhere(own_site)  # type: ignore[attr-defined]
    own_site.stop()
    return own_site


# Looking


@pytest.mark.requirement("GW-08")
def test_list_shows_what_was_dropped_and_filters_choose(site: Site) -> None:
    saved = ended(site)
    listed = {m["message_id"]: m for m in say(site, "list", "--json").json}

    assert listed[saved["message_id"]] == saved
    assert saved["message_id"] in say(site, "list").out
    for filters, found in [
        (["--state", "accepted", "--type", APPLICATION, "--account", "demo", "--operation", "save", "--since", "1h"], True),
        (["--state", "held", "--state", "sent"], False),
        (["--type", "EW.declaration"], False),
        (["--account", "other"], False),
        (["--since", "2099-01-01"], False),
    ]:
        assert found is (saved["message_id"] in say(site, "list", *filters).out), filters


@pytest.mark.parametrize("filters", [["--state", "lost"], ["--since", "yesterday"]], ids=" ".join)
def test_a_filter_that_does_not_exist_is_told(site: Site, filters: list[str]) -> None:
    said = say(site, "list", *filters)

    assert (said.code, said.out) == (2, "")
    assert filters[1] in said.err


@pytest.mark.requirement("GW-08")
def test_a_message_is_found_by_id_reference_and_every_official_number(site: Site) -> None:
    reference = dropped(site, "declare")
    site.wait_business(APPLICATION, reference, "已打印或生成电子许可证")
    status = site.status(f"{reference}.xml")
    assert status is not None

    assert set(status["numbers"]) == {"application", "mofcom", "licence"}
    for word in (status["message_id"], reference, *status["numbers"].values()):
        assert [reference] == [m["reference"] for m in say(site, "show", word, "--json").json]
        assert status["message_id"] in say(site, "show", word).out


def test_a_message_is_found_by_the_file_under_which_it_came_last(site: Site) -> None:
    """As `list` shows it, of a file without any reference too."""
    for content in (b"GIF89a", b"\x89PNG\r\n"):
        site.drop(content, name="logo.xml")
        wait_until(lambda: not (site.mailbox / "OutBox" / "logo.xml").exists(), "the file to be taken")
    listed = say(site, "list", "--text", "logo.xml", "--json").json

    (shown,) = say(site, "show", "logo.xml", "--json").json
    assert len(listed) == 2
    assert max(each["message_id"] for each in listed) == shown["message_id"]


def test_what_is_unknown_is_told_in_one_line(site: Site) -> None:
    for command in ("show", "timeline", "answers", "hold"):
        said = say(site, command, "no-such-thing", "--lang", "en")

        assert (said.code, said.out) == (1, "")
        look = f"tongguan list --home {site.home}"
        assert said.err == f"nothing has the id, reference, number or file name no-such-thing; look: {look}\n"


@pytest.mark.parametrize(
    ("name", "near"),
    [("account:dem", "account:demo"), ("route:mofcon", "route:mofcom"), ("card:demo-mofcon", "card:demo-mofcom")],
)
def test_the_timeline_of_an_unknown_thing_names_the_nearest_known_one(site: Site, name: str, near: str) -> None:
    said = say(site, "timeline", name, "--lang", "en")

    assert (said.code, said.out, said.err) == (2, "", f"there is no {name}; did you mean {near}?\n")
    assert say(site, "timeline", near).code == 0


def test_an_account_that_does_not_exist_is_no_empty_list(site: Site) -> None:
    said = say(site, "list", "--account", "dmeo", "--lang", "en")

    assert (said.code, said.err) == (2, "there is no account dmeo; did you mean demo?\n")


def test_what_waits_in_a_lane_that_was_shut_later_is_shown_to_wait(own_site: Site) -> None:
    own_site.run()
    reference = sent_nowhere(own_site)
    assert say(own_site, "pause", "account", "demo", "--why", "盘点").code == 0
    page = say(own_site, "show", reference, "--json").json[0]

    assert (page["waiting_for"], page["lane"]["name"], page["lane"]["text"]) == ("person", "account:demo", "盘点")
    assert "tongguan resume account demo" in say(own_site, "show", reference).out


@pytest.mark.requirement("GW-08")
def test_the_timeline_tells_every_step_in_order(site: Site) -> None:
    reference = ended(site, "declare")["reference"]

    moves = [m for m in say(site, "timeline", reference, "--json").json if m["step"] in ("read", "check", "seal", "send")]

    assert [(m["was"], m["state"]) for m in moves] == [
        (None, "received"),
        ("received", "checked"),
        ("checked", "sealed"),
        ("sealed", "sent"),
    ]
    assert all(m["who"] == "gateway" and re.match(r"\d{4}-\d\d-\d\dT.*\+08:00", m["at"]) for m in moves)


def test_answers_are_written_once_more(site: Site) -> None:
    status = ended(site, "declare")
    site.wait_business(APPLICATION, status["reference"], "已打印或生成电子许可证")
    files = {a["file"] for a in say(site, "answers", status["reference"], "--json").json}
    for name in files:
        wait_until((site.mailbox / "InBox" / name).exists, name)  # the journal knew it first
    kept = {name: (site.mailbox / "InBox" / name).read_bytes() for name in files}
    for name in files:
        (site.mailbox / "InBox" / name).unlink()

    said = say(site, "answers", status["reference"], "--again")

    assert said.code == 0
    assert {"Successed", "Receipt"} == {name.partition("_")[0] for name in files}
    for name, content in kept.items():
        wait_until((site.mailbox / "InBox" / name).exists, f"{name} again")
        assert content == (site.mailbox / "InBox" / name).read_bytes()


@pytest.mark.requirement("GW-08")
def test_documents_are_found_by_type_number_and_status(site: Site) -> None:
    status = ended(site)
    number = status["numbers"]["application"]

    for filters in (["--number", number], ["--number", number, "--status", "暂存"], ["--number", number, "--status", "draft"]):
        (found,) = say(site, "documents", "--type", APPLICATION, *filters, "--json").json
        assert (status["document"], number) == (found["document"], found["numbers"]["application"])
    assert say(site, "documents", "--number", number, "--status", "退回修改", "--json").json == []
    assert say(site, "documents", "--status", "无此状态").code == 2


def test_a_query_may_be_made_while_nothing_runs(still: Site) -> None:
    assert "sealed" in say(still, "show", still.reference).out  # type: ignore[attr-defined]
    assert say(still, "list").code == 0


def test_a_reference_in_two_accounts_lists_both_and_an_order_asks_which(own_site: Site) -> None:
    other = second_account(own_site)
    own_site.run()
    reference = fresh("both")
    for each in (own_site, other):
        dropped(each, reference=reference)
        each.wait(f"{reference}.xml", "accepted")

    assert {"demo", "second"} == {m["account"] for m in say(own_site, "show", reference, "--json").json}
    assert [m["account"] for m in say(own_site, "show", reference, "--account", "second", "--json").json] == ["second"]
    said = say(own_site, "stop", reference, "--dry-run")
    assert said.code == 1
    assert "demo second" in said.err


# Orders


@pytest.mark.requirement("GW-08")
def test_a_dry_run_does_nothing(own_site: Site) -> None:
    own_site.run()
    reference = sent_nowhere(own_site)

    said = say(own_site, "hold", "--state", "sealed", "--dry-run", "--json")

    assert [reference] == [m["reference"] for m in said.json["messages"]]
    assert state(own_site, reference) == "sealed"
    assert [m["step"] for m in say(own_site, "timeline", reference, "--json").json] == ["read", "check", "seal"]


@pytest.mark.requirement("GW-08")
@pytest.mark.parametrize("running", [True, False], ids=["running", "standing still"])
def test_orders_move_messages_and_tell_who_and_why(own_site: Site, running: bool) -> None:
    own_site.run()
    reference = sent_nowhere(own_site)
    if not running:
        own_site.stop()

    assert say(own_site, "hold", reference, "--why", "客户来电").code == 0
    assert state(own_site, reference) == "held"
    assert say(own_site, "release", "--state", "held", "--why", "可以了").code == 0
    assert state(own_site, reference) == "sealed"
    assert say(own_site, "retry", reference).code == 0
    assert say(own_site, "give-up", reference, "--why", "作废").code == 0
    assert state(own_site, reference) == "given_up"

    moves = say(own_site, "timeline", reference, "--json").json
    assert [m["why"] for m in moves if m["why"] in ("客户来电", "可以了", "作废")] == ["客户来电", "可以了", "作废"]
    assert all("@" in m["who"] for m in moves if m["why"] == "作废")
    if running:
        assert own_site.wait(f"{reference}.xml", "given_up")["final"]
        assert own_site.places(f"{reference}.xml") == ["FailBox"]


@pytest.mark.requirement("GW-08")
def test_why_a_message_is_held_is_told_in_the_readers_language(own_site: Site) -> None:
    own_site.run()
    reference = sent_nowhere(own_site)
    assert say(own_site, "hold", reference, "--why", "test").code == 0
    reasons = {
        lang: say(own_site, "show", reference, "--json", "--lang", lang).json[0]["hold"]["reason"] for lang in ("zh", "en")
    }

    assert reasons == {"zh": "按指令暂挂", "en": "by order"}
    for lang, words in reasons.items():
        assert words in say(own_site, "show", reference, "--lang", lang).out
    assert "只有 held 的报文" in say(own_site, "release", ended(own_site)["reference"], "--lang", "zh").out


@pytest.mark.requirement("GW-08")
def test_stop_ends_what_never_took_effect(own_site: Site) -> None:
    own_site.run()
    reference = sent_nowhere(own_site)

    assert say(own_site, "stop", reference, "--why", "重复录入").code == 0

    assert own_site.wait(f"{reference}.xml", "stopped")["state"] == "stopped"


@pytest.mark.requirement("GW-08")
def test_an_order_that_comes_too_late_is_told_and_ends_with_1(site: Site) -> None:
    status = ended(site)

    for command in ("hold", "release", "retry", "stop", "give-up"):
        said = say(site, command, status["reference"], "--json")

        assert (said.code, said.json["done"]) == (1, {}), command
        assert "accepted" in said.json["not_done"][status["message_id"]]


def test_an_order_without_ids_and_filters_is_refused(site: Site) -> None:
    said = say(site, "give-up", "--why", "all of them?", "--lang", "en")

    assert (said.code, said.err) == (2, "give ids or filters\n")


def test_a_filtered_order_leaves_final_messages_alone(site: Site) -> None:
    status = ended(site)

    chosen = say(site, "give-up", "--account", "demo", "--since", "1h", "--dry-run", "--json").json["messages"]

    assert status["message_id"] not in [m["message_id"] for m in chosen]


@pytest.mark.requirement("GW-08")
def test_a_paused_account_takes_nothing_until_it_is_resumed(own_site: Site) -> None:
    own_site.run()
    assert say(own_site, "pause", "account", "demo", "--why", "盘点").code == 0

    reference = dropped(own_site)
    wait_until(lambda: "盘点" in (own_site.mailbox / "Status/index.json").read_text(), "the pause to be told")
    assert own_site.places(f"{reference}.xml") == ["OutBox"]
    (paused,) = [p for p in say(own_site, "status", "--json").json["problems"] if p["code"] == "lane"]
    assert (paused["level"], paused["do"]) == ("well", f"tongguan resume account demo --home {own_site.home}")

    assert say(own_site, "resume", "account", "demo", "--why", "完成").code == 0
    own_site.wait(f"{reference}.xml", "accepted")


@pytest.mark.parametrize(("what", "name"), [("route", "bank"), ("account", "nobody")])
def test_only_what_exists_can_be_paused(site: Site, what: str, name: str) -> None:
    said = say(site, "pause", what, name, "--why", "x")

    assert said.code == 2
    assert "mofcom" in said.err or "demo" in said.err


# Health


@pytest.mark.requirement("GW-08")
def test_status_is_well_while_all_is_well(own_site: Site) -> None:
    own_site.simulate("--fast")
    own_site.run()
    ended(own_site)

    said = say(own_site, "status", "--json")

    assert (said.code, said.json["level"], said.json["problems"], said.json["running"]) == (0, "well", [], True), said.out
    assert {"account": "demo", "kind": "submission", "state": "accepted", "count": 1} in said.json["counts"]
    assert {"demo-mofcom", "demo-customs"} == set(
        wait_until(lambda: say(own_site, "status", "--json").json["cards"], "the cards")
    )


@pytest.mark.requirement("GW-08")
def test_status_is_critical_when_nothing_runs_and_says_what_to_type(still: Site) -> None:
    said = say(still, "status", "--json")
    (stopped,) = [p for p in said.json["problems"] if p["level"] == "critical"]

    assert (2, f"tongguan run --home {still.home}") == (said.code, stopped["do"])
    assert {"sealed"} == set(said.json["oldest"])
    assert f"tongguan run --home {still.home}" in say(still, "status").out


@pytest.mark.requirement("GW-08")
def test_status_warns_of_held_messages(own_site: Site) -> None:
    own_site.simulate("--fast")
    own_site.run()
    reference = sent_nowhere(own_site)
    say(own_site, "hold", reference)
    say(own_site, "resume", "route", "mofcom", "--why", "test")

    said = say(own_site, "status", "--json")

    assert (said.code, [p["do"] for p in said.json["problems"]]) == (1, [f"tongguan list --state held --home {own_site.home}"]), (
        said.out
    )


def test_doctor_says_of_everything_ok_or_what_to_do(own_site: Site) -> None:
    absent = say(own_site, "doctor", "--json")
    own_site.simulate("--fast")
    (own_site.home / "secrets/customs.pin").chmod(0o644)
    open_to_all = say(own_site, "doctor", "--json")
    (own_site.home / "secrets/customs.pin").chmod(0o600)
    well = say(own_site, "doctor", "--json")

    assert {"route mofcom", "route customs", "route ministries"} == {f["check"] for f in absent.json if not f["ok"]}
    assert [f"chmod 600 {own_site.home}/secrets/customs.pin"] == [f["do"] for f in open_to_all.json if not f["ok"]]
    assert (absent.code, open_to_all.code, well.code) == (1, 1, 0)


def test_config_check_tells_what_the_settings_name_and_is_not_there(own_site: Site) -> None:
    assert say(own_site, "config", "check").code == 0

    (own_site.home / "trust/customs.pem").unlink()
    said = say(own_site, "config", "check", "--json")

    assert (said.code, [f["check"] for f in said.json if not f["ok"]]) == (78, ["route customs trust/customs.pem"])


@pytest.mark.requirement("GW-11")
def test_an_altered_history_is_found(still: Site) -> None:
    assert say(still, "audit", "verify").code == 0

    with contextlib.closing(sqlite3.connect(still.home / "tongguan.db")) as database:
        database.execute("UPDATE move SET line = replace(line, 'sealed', 'sent')")
        database.commit()
    said = say(still, "audit", "verify", "--json", "--lang", "en")

    assert (said.code, said.json["ok"]) == (1, False)
    assert "was altered" in said.json["broken"]
    assert "被改动" in say(still, "audit", "verify", "--json").json["broken"]


# Cards


def pin_of(site: Site, card: str = "customs") -> str:
    return (site.home / f"secrets/{card}.pin").read_text().strip()


def given(tmp_path: Path, pin: str) -> Path:
    (tmp_path / "given.pin").write_text(pin)
    return tmp_path / "given.pin"


def test_cards_are_listed_with_number_and_state(own_site: Site) -> None:
    cards = {c["name"]: c for c in say(own_site, "card", "list", "--json").json}

    assert {"demo-mofcom", "demo-customs"} == set(cards)
    assert all(c["present"] and c["matches"] and c["number"] == c["bound"] and c["state"] == "open" for c in cards.values())


def test_bind_writes_the_number_of_the_card_in_the_reader(own_site: Site) -> None:
    path = own_site.home / "tongguan.toml"
    whole = path.read_text()
    path.write_text(re.sub(r'bound = ".*"\n', "", whole))

    bound = say(own_site, "card", "bind", "--json").json

    assert {"demo-mofcom", "demo-customs"} == set(bound)
    assert whole == re.sub(r"  # certificate sha256 [0-9a-f]{64}", "", path.read_text())
    assert all(f"certificate sha256 {b['fingerprint']}" in path.read_text() for b in bound.values())
    assert say(own_site, "card", "bind", "--json").json == {}


def test_another_card_than_the_bound_one_signs_nothing(own_site: Site) -> None:
    path = own_site.home / "tongguan.toml"
    path.write_text(path.read_text().replace('key = "cards/demo-customs.key"', 'key = "cards/demo-mofcom.key"')
                    .replace('certificate = "cards/demo-customs.pem"', 'certificate = "cards/demo-mofcom.pem"'))  # fmt: skip

    said = say(own_site, "card", "test", "demo-customs")

    assert said.code == 1
    assert "tongguan card bind demo-customs" in said.err
    assert [c["state"] for c in say(own_site, "card", "list", "--json").json if c["name"] == "demo-customs"] == ["mismatch"]


def test_a_trial_signature_is_made_and_verified(own_site: Site) -> None:
    said = say(own_site, "card", "test", "demo-customs", "--json")

    assert (said.code, said.json["ok"]) == (0, True)


def test_an_unknown_card_is_told_with_the_known_ones(own_site: Site) -> None:
    said = say(own_site, "card", "test", "nobody")

    assert said.code == 2
    assert "demo-customs" in said.err


def test_a_pin_is_never_taken_from_the_command_line(own_site: Site) -> None:
    assert say(own_site, "card", "pin", "demo-customs", "12345678").code == 2
    assert say(own_site, "card", "pin", "demo-customs", "--pin", "12345678").code == 2


@pytest.mark.requirement("GW-08")
def test_a_right_pin_opens_the_card_of_the_running_gateway(own_site: Site, tmp_path: Path) -> None:
    right = pin_of(own_site, "mofcom")
    (own_site.home / "secrets/mofcom.pin").write_text("00000000")
    own_site.simulate("--fast")
    own_site.run()
    reference = dropped(own_site, "declare")
    wait_until(lambda: say(own_site, "status", "--json").code == 2, "the card to be shut")
    shut = [p for p in say(own_site, "status", "--json").json["problems"] if p["level"] == "critical"]
    assert [p["do"] for p in shut] == [f"tongguan card pin demo-mofcom --home {own_site.home}"]

    assert say(own_site, "card", "pin", "demo-mofcom", "--pin-file", given(tmp_path, "11111111")).code == 1
    assert say(own_site, "card", "pin", "demo-mofcom", "--pin-file", given(tmp_path, right)).code == 0

    own_site.wait(f"{reference}.xml", "accepted")
    assert right not in (own_site.home / "run.log").read_text()


def test_without_a_gateway_a_pin_is_tried_and_compared_with_the_file(own_site: Site, tmp_path: Path) -> None:
    right = pin_of(own_site)
    wrong = say(own_site, "card", "pin", "demo-customs", "--pin-file", given(tmp_path, "11111111"))
    good = say(own_site, "card", "pin", "demo-customs", "--pin-file", given(tmp_path, right))
    (own_site.home / "secrets/customs.pin").write_text("00000000")
    other = say(own_site, "card", "pin", "demo-customs", "--pin-file", given(tmp_path, right))

    assert (wrong.code, good.code, other.code) == (1, 0, 1)
    assert "file:secrets/customs.pin" in other.err


# Profiles


def test_profiles_are_listed_shown_and_crossed(site: Site) -> None:
    every = {p["type"]: p for p in say(site, "profiles", "--json").json}
    rows = say(site, "profiles", "--matrix", "--json").json

    assert {"NA.application", "EW.declaration", "EW.other", "GW.message"} <= set(every)
    assert every[APPLICATION] == say(site, "profiles", APPLICATION, "--json").json
    assert {(t, o) for t, p in every.items() for o in p["operations"]} <= {(r["type"], r["operation"]) for r in rows}
    assert "NA-R05" in say(site, "profiles", APPLICATION).out
    assert say(site, "profiles", "NA.aplication").code == 2


# The demo


@pytest.mark.long
@pytest.mark.requirement("GW-10")
def test_the_demo_ends_as_every_example_says(tmp_path: Path) -> None:
    site = Site(tmp_path / "kept")
    out = io.StringIO()
    with contextlib.redirect_stdout(out), pytest.raises(SystemExit) as done:
        main(["demo", "--keep", str(site.home), "--messages", "3", "--json"])
    told = json.loads(out.getvalue())

    assert (done.value.code, told["failed"]) == (0, {})
    assert sum("-0000" in name for name in told["done"]) == 3
    assert [line for line in (site.home / "logs/run.log").read_text().splitlines() if "Traceback" in line] == []


# Quarantine


@pytest.mark.requirement("GW-06")
def test_a_forged_receipt_is_listed_shown_never_believed_and_dropped(own_site: Site) -> None:
    own_site.simulate("--fast")
    own_site.run()
    reference = dropped(own_site, "declare", fresh("cmd") + "!wrong-signature")
    own_site.wait(f"{reference}.xml", "accepted")

    (forged,) = say(own_site, "quarantine", "list", "--json").json
    assert (forged["state"], forged["account"]) == ("quarantined", "demo")
    assert forged["why"]
    assert "<Receipt" in say(own_site, "quarantine", "show", forged["message_id"], "--json").json["content"]
    warned = say(own_site, "status", "--json")
    assert any(p["do"].startswith("tongguan quarantine list --home ") for p in warned.json["problems"])
    assert warned.code == 1

    say(own_site, "quarantine", "apply", forged["message_id"], "--why", "look again")
    wait_until(lambda: [forged] == say(own_site, "quarantine", "list", "--json").json, "the receipt to be refused again")
    assert say(own_site, "quarantine", "drop", forged["message_id"], "--why", "forged").code == 0
    assert say(own_site, "quarantine", "list", "--json").json == []


def test_only_receipts_are_in_quarantine(site: Site) -> None:
    said = say(site, "quarantine", "drop", ended(site)["message_id"])

    assert said.code == 1
    assert "tongguan quarantine list" in said.err
