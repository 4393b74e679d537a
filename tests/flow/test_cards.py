"""Which card signs, and which does not: states next to the right one sign nothing, say so, and go on when they are put right."""

from __future__ import annotations

import json
import os
import re
import socket
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from workshop import Workshop

from tongguan.gateway.daemon.pin_socket import PinDoor
from tongguan.gateway.flow.cards.watch import refused_pin
from tongguan.gateway.home.home import change_settings
from tongguan.gateway.model.errors import in_both, in_language
from tongguan.gateway.system import clock
from tongguan.gateway.system.printed import at_home
from tongguan.signer.cards.pin import Secret
from tongguan.signer.errors import PinUnfit, PinWrong
from tongguan.signer.issue import Holder, Validity, make_authority, make_software_card

NAME, NUMBER = "demo-mofcom", "8900000000017"
CODES = ("91210200MA0EXAMPLC", "2100MA0EXAMPL", "2102960001")
BODY = "<Title>x</Title>"


def set_card(shop: Workshop, key: str, value: str) -> None:
    """Change a setting of the card while no gateway runs."""
    shop.stop()
    change_settings(shop.home, "account.card", key, value, named=NAME)


def new_card(shop: Workshop, *, number: str = NUMBER, codes: tuple[str, ...] = CODES, days: tuple[int, int] = (-1, 1000)) -> None:
    """Another key and certificate in place of the card's, valid from and until these days from now."""
    validity = Validity(clock.now() + timedelta(days=days[0]), days[1] - days[0])
    made = make_software_card(make_authority("发卡", validity), Holder("某公司", number, codes), validity=validity)
    (shop.home / "cards" / f"{NAME}.key").write_bytes(made.key)
    (shop.home / "cards" / f"{NAME}.pem").write_bytes(made.certificates)


def away(shop: Workshop) -> Path:
    key = shop.home / "cards" / f"{NAME}.key"
    return key.rename(key.with_suffix(".away"))


def back(shop: Workshop) -> None:
    key = shop.home / "cards" / f"{NAME}.key"
    key.with_suffix(".away").rename(key)


def declare(shop: Workshop, reference: str, *states: str) -> dict[str, Any]:
    return shop.send("XX.registration", "declare", reference, BODY, *states)


def waiting(shop: Workshop, reference: str, what: str = "card") -> str:
    """Drop a declare that has to wait for this; the name of its file."""
    name = shop.site.drop(
        f'<XX.registration xmlns="urn:tongguan:XX.registration:1" operation="declare" reference="{reference}">{BODY}</XX.registration>'
    )
    shop.turns(lambda: (s := shop.site.status(name)) and s["waiting_for"] == what and f"card:{NAME}" in shop.daemon.journal.lanes)
    assert shop.mofcom.posts(reference) == []
    return name


def alerts(shop: Workshop, code: str = "card") -> list[dict[str, Any]]:
    path = shop.home / "alerts.jsonl"
    lines = path.read_text("utf-8").splitlines() if path.exists() else []
    return [line for line in map(json.loads, lines) if line["code"] == code and line["about"] == NAME]


@pytest.mark.requirement("NA-11")
@pytest.mark.requirement("EX-01")
def test_a_card_that_is_configured_but_not_bound_signs_nothing_until_the_command_is_typed_that_is_told(shop: Workshop) -> None:
    set_card(shop, "bound", "")
    status = declare(shop, "a1", "refused", "sent")

    assert [f["code"] for f in status["faults"]] == ["GW-F06"]
    (command,) = re.findall(r"tongguan (card bind \S+)", status["faults"][0]["message"])
    assert shop.mofcom.posts("a1") == []
    assert alerts(shop)[-1]["do"] == f"tongguan {command} --home {shop.home}"
    shop.stop()
    shop.site.command(*command.split(), check=True)
    declare(shop, "a1", "sent")
    shop.turns(lambda: not shop.daemon.alerts.problems())


@pytest.mark.requirement("NA-11")
def test_a_renewed_certificate_signs_nothing_before_it_is_bound(shop: Workshop) -> None:
    new_card(shop)
    status = declare(shop, "a1", "refused", "sent")

    assert [(f["code"], f["path"], f["line"]) for f in status["faults"]] == [("GW-F19", "/XX.registration", 1)]
    assert "sha256" in status["faults"][0]["message"]
    assert shop.mofcom.posts("a1") == []
    shop.stop()
    shop.site.command("card", "bind", NAME, check=True)
    declare(shop, "a1", "sent")


@pytest.mark.parametrize("days", [(-30, -1), (1, 30)], ids=["ended", "not valid yet"])
def test_out_of_its_time_a_certificate_signs_nothing(shop: Workshop, days: tuple[int, int]) -> None:
    new_card(shop, days=days)
    shop.site.command("card", "bind", NAME, check=True)
    name = waiting(shop, "a1")

    bind = f"tongguan card bind {NAME} --home {shop.home}"
    assert alerts(shop)[0]["do"] == ("timedatectl" if days[0] > 0 else bind), "what has not begun may be a clock that is behind"
    new_card(shop)
    shop.stop()
    shop.site.command("card", "bind", NAME, check=True)
    shop.play(name, "sent")


@pytest.mark.requirement("ID-05")
def test_a_card_of_another_enterprise_is_not_bound_and_signs_nothing(shop: Workshop) -> None:
    new_card(shop, number="8900000000991", codes=("91310000MA1OTHER13", "3100MA1OTHER1"))
    said = shop.site.command("card", "bind", NAME)
    assert said.returncode == 1 and "91310000MA1OTHER13" in said.stderr
    set_card(shop, "bound", "8900000000991")
    set_card(shop, "fingerprint", "")
    status = declare(shop, "a1", "refused", "sent")

    assert [(f["code"], f["path"], f["line"]) for f in status["faults"]] == [("GW-F20", "/XX.registration", 1)]
    assert shop.mofcom.posts("a1") == []
    assert "91310000MA1OTHER13" in alerts(shop)[-1]["text"]


def test_of_two_cards_the_bound_one_signs(shop: Workshop) -> None:
    path = shop.home / "tongguan.toml"
    text = path.read_text("utf-8")
    first = '[[account.card]]\nname = "new-mofcom"\nauthority = "mofcom"\nkind = "software"\nkey = "cards/none"\ncertificate = "cards/none"\n\n'
    path.write_text(text.replace("[[account.card]]", first + "[[account.card]]", 1), "utf-8")

    declare(shop, "a1", "sent")
    assert NUMBER.encode() in shop.mofcom.posts("a1")[0].body


def test_what_waits_while_its_card_is_unbound_goes_on_once_it_is_bound_again(shop: Workshop) -> None:
    away(shop)
    name = waiting(shop, "a1")
    back(shop)
    set_card(shop, "bound", "")
    shop.turns(lambda: f"card bind {NAME}" in shop.daemon.journal.lanes[f"card:{NAME}"].do or alerts(shop))
    assert shop.site.status(name)["state"] == "checked"  # type: ignore[index]
    assert shop.mofcom.posts("a1") == []
    set_card(shop, "bound", NUMBER)
    shop.play(name, "sent")


def without_the_card(text: str) -> tuple[str, str]:
    """Settings without the card, and what was taken out."""
    parts = re.split(r"(?=^\[)", text, flags=re.MULTILINE)
    gone = next(p for p in parts if f'name = "{NAME}"' in p)
    return "".join(p for p in parts if p != gone), gone


@pytest.mark.parametrize("renamed", [False, True], ids=["put back", "under another name"])
def test_what_waits_for_a_card_that_left_the_settings_waits_for_it_or_goes_to_another(shop: Workshop, renamed: bool) -> None:
    away(shop)
    name = waiting(shop, "a1")
    back(shop)
    shop.stop()
    path = shop.home / "tongguan.toml"
    whole = path.read_text("utf-8")
    without, gone = without_the_card(whole)
    path.write_text(without, "utf-8")
    shop.turns(lambda: f"card:{NAME}" in shop.daemon.journal.lanes)

    assert shop.site.status(name)["state"] == "checked"  # type: ignore[index]
    shop.stop()
    path.write_text(whole.replace(gone, gone.replace(f'name = "{NAME}"', 'name = "renamed"')) if renamed else whole, "utf-8")
    shop.play(name, "sent")


# PIN


def pin_of_card(shop: Workshop) -> str:
    return (shop.home / "secrets" / "mofcom.pin").read_text().strip()


@pytest.mark.requirement("ID-03")
def test_a_wrong_pin_from_a_person_shuts_the_lane_at_once_and_over_a_restart(shop: Workshop) -> None:
    declare(shop, "a1", "sent")
    with pytest.raises(PinWrong):
        shop.daemon.watching.give_pin(NAME, Secret("00000000"))
    assert shop.daemon.journal.lanes[f"card:{NAME}"].reason == "pin"
    shop.stop()

    name = waiting(shop, "a2", "pin")
    assert shop.daemon.journal.lanes[f"card:{NAME}"].do == f"tongguan card pin {NAME}"
    shop.daemon.watching.give_pin(NAME, Secret(pin_of_card(shop)))
    shop.play(name, "sent")


@pytest.mark.parametrize("given", ["", "  ", "\ufeff", "１２３４５６７８", "1\x00"])
def test_what_cannot_be_a_pin_changes_nothing(shop: Workshop, given: str) -> None:
    declare(shop, "a1", "sent")
    with pytest.raises(PinUnfit):
        shop.daemon.watching.give_pin(NAME, Secret(given))

    assert shop.daemon.journal.lanes == {}
    declare(shop, "a2", "sent")


def test_a_pin_file_that_an_editor_marked_is_read(shop: Workshop) -> None:
    file = shop.home / "secrets" / "mofcom.pin"
    file.write_bytes(b"\xef\xbb\xbf" + file.read_bytes().strip() + b"\r\n")

    declare(shop, "a1", "sent")


def test_a_pin_file_without_a_pin_waits_for_one_and_is_told(shop: Workshop) -> None:
    file = shop.home / "secrets" / "mofcom.pin"
    right = file.read_text()
    file.write_text("\n")
    name = waiting(shop, "a1", "pin")

    assert shop.daemon.journal.lanes[f"card:{NAME}"].do == f"tongguan card pin {NAME}"
    shop.daemon.watching.give_pin(NAME, Secret(right))
    shop.play(name, "sent")


@pytest.mark.parametrize("restart", [False, True], ids=["running", "restarted"])
@pytest.mark.parametrize("was", [b"", b"\n", "１２３４５６７８".encode(), None], ids=["empty", "line", "wide", "gone"])
def test_a_pin_file_that_is_mended_is_read_again_by_itself(shop: Workshop, was: bytes | None, restart: bool) -> None:
    file = shop.home / "secrets" / "mofcom.pin"
    right = file.read_bytes()
    file.unlink() if was is None else file.write_bytes(was)
    name = waiting(shop, "a1", "pin")
    zh, en = (in_language(shop.daemon.journal.lanes[f"card:{NAME}"].text, language) for language in ("zh", "en"))
    assert "PIN" in zh and "PIN" in en and zh != en
    if restart:
        shop.stop()
    file.write_bytes(right)

    shop.play(name, "sent")
    assert shop.daemon.journal.lanes == {}
    assert [line["code"] for line in alerts(shop, "card") if "over" not in line] == []


def test_a_pin_file_that_is_mended_after_the_card_refused_it_is_not_tried(shop: Workshop) -> None:
    file = shop.home / "secrets" / "mofcom.pin"
    right = file.read_bytes()
    file.write_bytes(b"00000000")
    waiting(shop, "a1", "pin")
    file.write_bytes(right)
    shop.stop()
    name = waiting(shop, "a2", "pin")

    assert shop.daemon.journal.lanes[f"card:{NAME}"].probe_at is None
    shop.daemon.watching.give_pin(NAME, Secret(pin_of_card(shop)))
    shop.play(name, "sent")


# What status, heartbeat and alerts say


def put_in_another(shop: Workshop) -> None:
    certificate = shop.home / "cards" / f"{NAME}.pem"
    certificate.rename(shop.home / "kept.pem")
    certificate.write_bytes((shop.home / "cards" / "demo-customs.pem").read_bytes())


def put_back(shop: Workshop) -> None:
    (shop.home / "kept.pem").rename(shop.home / "cards" / f"{NAME}.pem")


TROUBLES = {
    "absent": (away, back, "tongguan card list"),
    "mismatch": (put_in_another, put_back, f"tongguan card bind {NAME}"),
}


@pytest.mark.requirement("ID-05")
@pytest.mark.parametrize("kind", TROUBLES)
def test_a_card_that_signs_nothing_is_told_before_any_message_wants_it_and_its_alert_ends(shop: Workshop, kind: str) -> None:
    spoil, mend, command = TROUBLES[kind]
    do = at_home(command, shop.home)
    shop.turns(lambda: shop.daemon.site.looks.last(NAME))
    spoil(shop)
    shop.turns(lambda: alerts(shop))

    assert [(a["text"].count(NAME), a["do"]) for a in alerts(shop)] == [(1, do)]
    card = shop.daemon.watching.health()["cards"][NAME]
    assert (card["open"], card["reason"], card["do"]) == (False, kind, do)
    assert [(p.code, p.do) for p in shop.daemon.alerts.problems()] == [("card", do)]
    mend(shop)
    shop.turns(lambda: alerts(shop)[-1].get("over"))
    assert shop.daemon.alerts.problems() == []
    assert shop.daemon.watching.health()["cards"][NAME] == {"open": True}


@pytest.mark.requirement("GW-08")
def test_status_tells_of_a_card_that_signs_nothing_with_the_command_to_type(shop: Workshop) -> None:
    shop.turns(lambda: shop.daemon.site.looks.last(NAME))
    put_in_another(shop)
    heart = shop.site.mailbox / "Status" / "heartbeat.json"
    shop.turns(lambda: heart.exists() and any(p["code"] == "card" for p in json.loads(heart.read_bytes())["problems"]))
    said = shop.site.command("status", "--json")

    assert said.returncode in (1, 2)
    assert [p["do"] for p in json.loads(said.stdout)["problems"] if p["code"] == "card"] == [
        f"tongguan card bind {NAME} --home {shop.home}"
    ]
    assert json.loads(heart.read_bytes())["ok"] is False


@pytest.mark.requirement("ID-03")
def test_a_pin_comes_in_by_its_socket_and_is_looked_at_there_too(shop: Workshop) -> None:
    declare(shop, "a1", "sent")
    shop.daemon.site.looks.look(NAME)
    door = PinDoor(shop.home / "pins.sock", shop.daemon.watching.give_pin)
    door.start()

    def ask(request: Any) -> dict[str, Any]:
        with socket.socket(socket.AF_UNIX) as line:
            line.connect(os.path.relpath(shop.home / "pins.sock"))
            line.sendall((request if isinstance(request, bytes) else json.dumps(request).encode()) + b"\n")
            return dict(json.loads(line.makefile("rb").readline()))

    try:
        mode = (shop.home / "pins.sock").stat().st_mode & 0o777
        unfit = [
            {"card": NAME, "pin": pin} for pin in ("", " ", "\ufeff\r\n", "１２３４", "1\n2", "1\x00", None, 12345678, ["1"])
        ]
        answers = [ask(each) for each in (*unfit, {"card": "none", "pin": "1234"}, {}, b"\xff", [])]
        assert shop.daemon.journal.lanes == {}
        wrong = ask({"card": NAME, "pin": "00000000"})
        shut = dict(shop.daemon.journal.lanes)
        right = ask({"card": NAME, "pin": f"\ufeff{pin_of_card(shop)}\r\n"})
    finally:
        door.stop()

    assert mode == 0o600
    assert [answer["ok"] for answer in answers] == [False] * len(answers)
    assert (wrong["ok"], list(shut)) == (False, [f"card:{NAME}"])
    assert right["ok"], right
    assert shop.daemon.journal.lanes == {}
    declare(shop, "a2", "sent")


@pytest.mark.requirement("ID-03")
@pytest.mark.parametrize("content", [b"", b"\r\n", "１２３４".encode(), b"\x00"])
def test_the_command_tells_what_cannot_be_a_pin_and_shuts_no_lane(shop: Workshop, content: bytes) -> None:
    declare(shop, "a1", "sent")
    shop.stop()
    file = shop.home / "given"
    file.write_bytes(content)
    unfit = shop.site.command("card", "pin", NAME, "--pin-file", str(file))

    assert unfit.returncode != 0 and "PIN" in unfit.stderr and "Traceback" not in unfit.stderr
    assert shop.daemon.journal.lanes == {}


@pytest.mark.requirement("ID-03")
def test_a_pin_that_is_refused_while_no_gateway_runs_is_not_tried_again_by_a_trial_signature(shop: Workshop) -> None:
    declare(shop, "a1", "sent")
    shop.stop()
    (shop.home / "secrets" / "mofcom.pin").write_text("00000000\n")
    first, second = shop.site.command("card", "test", NAME), shop.site.command("card", "test", NAME)

    assert first.returncode == second.returncode == 1
    assert shop.daemon.journal.lanes[f"card:{NAME}"].reason == "pin"


@pytest.mark.requirement("GW-08")
def test_a_card_that_is_out_is_asked_for_and_not_its_pin(shop: Workshop) -> None:
    shop.turns(lambda: shop.daemon.site.looks.last(NAME))
    refused_pin(shop.daemon.site, NAME, in_both("卡不接受 PIN", "the card refused the PIN"))
    spoil, mend, command = TROUBLES["absent"]
    spoil(shop)
    shop.turns(lambda: alerts(shop) and not alerts(shop)[-1].get("over"))

    assert [(p.code, p.about) for p in shop.daemon.alerts.problems()] == [("card", NAME)], "one line, and it is the card's"
    assert shop.daemon.watching.health()["cards"][NAME]["do"] == at_home(command, shop.home)
    assert "pin" not in command
    mend(shop)
    shop.turns(lambda: [p.code for p in shop.daemon.alerts.problems()] == ["lane"])
    assert shop.daemon.watching.health()["cards"][NAME]["do"] == f"tongguan card pin {NAME} --home {shop.home}"
