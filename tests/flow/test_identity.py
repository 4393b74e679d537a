"""Who signs, with which card, and what happens when the card is not there, is another's, or refuses its PIN."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import re
import signal
from collections.abc import Iterator
from datetime import timedelta
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import bodies as b
import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from sites import Site, make_site, wait_until
from test_delivery import second_account

from tongguan.gateway.home.home import change_settings
from tongguan.gateway.system import clock
from tongguan.signer.cards.module import find_module, write_softhsm_configuration
from tongguan.signer.cards.pin import Secret
from tongguan.signer.issue import Holder, NewToken, Validity, make_authority, make_token

STATEMENT = {"声明.pdf": b.pdf()}
ABSENT = "00000002"
OTHER_NUMBER = "8900000000991"
NUMBERS = {"mofcom": "8900000000017", "customs": "8900000000025"}
_spy = """
import sys
if any("token_process" in word for word in sys.orig_argv):
    import PyKCS11
    real = PyKCS11.Session.login
    def login(self, pin, *more):
        with open({log!r}, "a") as lines:
            lines.write("login\\n")
        return real(self, pin, *more)
    PyKCS11.Session.login = login
"""


def card_home(folder: Path) -> Site:
    if find_module() is None:
        pytest.skip("no SoftHSM library on this machine: set PKCS11_MODULE or install softhsm2")
    if find_spec("PyKCS11") is None:
        pytest.skip("PyKCS11 is not installed: tongguan[pkcs11]")
    made = make_site(folder, card="pkcs11")
    settings = made.home / "tongguan.toml"
    settings.write_text(settings.read_text("utf-8") + '\n[schedule]\nprobe = "300ms"\n', "utf-8")
    return made


@pytest.fixture
def with_cards(tmp_path: Path) -> Iterator[Site]:
    """A home whose keys are in soft tokens; not running yet."""
    made = card_home(tmp_path)
    yield made
    for name in list(made.processes):
        made.stop(name, kill=True)


def start(site: Site) -> None:
    site.simulate("--fast")
    site.run()


def take_away(site: Site) -> None:
    (site.home / "tokens").rename(site.home / "away")


def put_back(site: Site) -> None:
    """The enterprise's own cards again, in one move: who still reads another's must not write between two."""
    with contextlib.suppress(FileNotFoundError):
        (site.home / "tokens").rename(site.home / f"anothers-{clock.now_ms()}")
    (site.home / "away").rename(site.home / "tokens")


def put_in_anothers(site: Site) -> None:
    """Another enterprise's cards under the same labels lie in the reader."""
    take_away(site)
    write_softhsm_configuration(site.home)
    validity = Validity(clock.now() - timedelta(days=1))
    issuer = make_authority("别的发卡机构", validity)
    holder = Holder("别的公司", OTHER_NUMBER, ("91310000MA1OTHER13", "3100MA1OTHER1", "2102960099"))
    for name in NUMBERS:
        wanted = NewToken("libsofthsm2.so", f"demo-{name}", "sign", Secret("11223344"), Secret("so-11223344"))
        make_token(wanted, site.home, issuer, holder, validity=validity)


def without_card(site: Site, *authorities: str) -> None:
    """Take the cards of these authorities out of the settings: the account has none bound."""
    path = site.home / "tongguan.toml"
    parts = re.split(r"(?=^\[)", path.read_text("utf-8"), flags=re.MULTILINE)
    gone = [f'authority = "{name}"' for name in authorities]
    path.write_text("".join(p for p in parts if not ("[account.card]" in p and any(g in p for g in gone))), "utf-8")


def declare(reference: str | None = None, **more: Any) -> Any:
    return b.application("declare", reference=reference, **more)


def inspection(reference: str | None = None, document: str | None = None) -> Any:
    if document is not None:
        return b.with_files(b.message(b.INSPECTION, "declare", document=document), ("声明.pdf", ABSENT))
    return b.with_files(b.inspection("declare", reference=reference), ("声明.pdf", ABSENT))


def waits(site: Site, name: str, what: str) -> dict[str, Any]:
    """The status once the message waits for this; it has not been sent then."""
    status: dict[str, Any] = wait_until(
        lambda: s if (s := site.status(name)) is not None and s["waiting_for"] == what else None, f"{name} to wait for {what}"
    )
    assert status["state"] in ("received", "checked"), status
    assert status["receipts"] == []
    return status


def cards(site: Site) -> dict[str, dict[str, Any]]:
    return {row["name"]: row for row in json.loads(site.command("card", "list", "--json", check=True).stdout)}


@pytest.mark.requirement("ID-01")
@pytest.mark.needs_token
def test_binding_reads_number_and_certificate_from_the_card(with_cards: Site) -> None:
    home = with_cards.home
    path = home / "tongguan.toml"
    path.write_text(re.sub(r"^bound = .*\n", "", path.read_text("utf-8"), flags=re.MULTILINE), "utf-8")
    second = '\n[[account.card]]\nname = "demo-operator"\nauthority = "customs"\nrole = "operator"\nkind = "pkcs11"\n'
    second += 'module = "libsofthsm2.so"\ntoken = "demo-customs"\nkey = "sign"\npin = "file:secrets/customs.pin"\n'
    parts = path.read_text("utf-8").split("\n[route.", 1)
    path.write_text(parts[0] + second + "\n[route." + parts[1], "utf-8")
    bound = json.loads(with_cards.command("card", "bind", "--json", check=True).stdout)

    for authority, number in NUMBERS.items():
        (known,) = (home / "simulators/cards").glob(f"demo-{authority}-*.pem")
        pem = known.read_bytes()
        certificate = x509.load_pem_x509_certificate(pem).public_bytes(Encoding.DER)
        assert bound[f"demo-{authority}"]["number"] == number
        assert bound[f"demo-{authority}"]["fingerprint"] == hashlib.sha256(certificate).hexdigest()
    listed = cards(with_cards)
    assert {name: (row["authority"], row["role"], row["bound"]) for name, row in listed.items()} == {
        "demo-mofcom": ("mofcom", "legal", NUMBERS["mofcom"]),
        "demo-customs": ("customs", "legal", NUMBERS["customs"]),
        "demo-operator": ("customs", "operator", NUMBERS["customs"]),
    }
    assert all(row["present"] and row["matches"] and row["valid_until"] for row in listed.values())
    start(with_cards)
    b.done(with_cards, declare())
    b.done(with_cards, inspection(), files=STATEMENT)


@pytest.mark.requirement("ID-02")
@pytest.mark.requirement("EW-07")
@pytest.mark.needs_token
def test_inspections_are_entered_without_the_card_but_uploaded_and_declared_with_it(with_cards: Site) -> None:
    start(with_cards)
    take_away(with_cards)
    saved = b.done(with_cards, b.inspection("save"))
    gone = b.done(with_cards, b.inspection("save"))
    b.done(with_cards, b.message(b.INSPECTION, "delete", document=gone["document"]))
    span = b.about_now()
    assert len(b.rows(with_cards, b.query(b.INSPECTION, "list", filters=span))) == 1

    upload = b.with_files(b.message(b.INSPECTION, "attach", document=saved["document"]), ("声明.pdf", ABSENT))
    attach = with_cards.drop_zip(b.xml(upload), STATEMENT)
    both = with_cards.drop_zip(b.xml(b.with_files(b.inspection("save"), ("声明.pdf", ABSENT))), STATEMENT)
    waits(with_cards, attach, "card")
    waits(with_cards, both, "card")
    put_back(with_cards)
    assert with_cards.wait(attach)["state"] == with_cards.wait(both)["state"] == "accepted"
    take_away(with_cards)
    name = with_cards.drop(b.xml(b.message(b.INSPECTION, "declare", document=saved["document"])))
    waits(with_cards, name, "card")
    put_back(with_cards)
    assert with_cards.wait(name)["business_status"]["text"] == "同意"


@pytest.mark.requirement("ID-02")
@pytest.mark.requirement("NA-11")
@pytest.mark.needs_token
def test_licences_are_drafted_without_the_key_but_declared_and_withdrawn_with_it(with_cards: Site) -> None:
    start(with_cards)
    pending = b.done(with_cards, declare(b.fresh("p") + "!stay=10"), "sent")["document"]
    with_cards.wait_business(b.APPLICATION, pending, "入库成功待初审")
    take_away(with_cards)
    draft = b.done(with_cards, b.application("save"))["document"]
    names = []
    for operation, key in (("declare", draft), ("withdraw", pending)):
        names.append(with_cards.drop(b.xml(b.message(b.APPLICATION, operation, document=key))))
        waits(with_cards, names[-1], "card")
    told = with_cards.command("status", "--json")
    assert told.returncode in (1, 2)
    assert "demo-mofcom" in told.stdout
    heart = with_cards.mailbox / "Status" / "heartbeat.json"
    shut = wait_until(lambda: not (h := json.loads(heart.read_bytes())["cards"]["demo-mofcom"])["open"] and h, "the heartbeat")
    assert shut["reason"] == "card"
    put_back(with_cards)
    assert [with_cards.wait(name)["state"] for name in names] == ["accepted", "accepted"]
    with_cards.wait_business(b.APPLICATION, pending, "已撤销")


@pytest.mark.requirement("NA-11")
@pytest.mark.requirement("ID-05")
@pytest.mark.needs_token
def test_with_anothers_key_nothing_is_sent_and_the_error_names_both_cards(with_cards: Site) -> None:
    with_cards.command("card", "bind", check=True)
    start(with_cards)
    draft = b.done(with_cards, b.application("save"))["document"]
    put_in_anothers(with_cards)
    status = b.refused(with_cards, b.message(b.APPLICATION, "declare", document=draft, reference="again"))
    entry = b.refused(with_cards, inspection(), files=STATEMENT)

    for refused, authority in ((status, "mofcom"), (entry, "customs")):
        text = f"当前卡号 {OTHER_NUMBER} 与用户注册信息卡号 {NUMBERS[authority]} 不一致，无法进行申报"
        assert [fault["message"] for fault in refused["faults"]] == [text]
        assert refused["receipts"] == []
    assert status["business_status"]["text"] == "暂存"
    put_back(with_cards)
    again = b.done(with_cards, b.message(b.APPLICATION, "declare", document=draft, reference="again"))
    assert again["replaces"] == status["message_id"]


@pytest.mark.requirement("ID-03")
@pytest.mark.needs_token
def test_a_card_taken_away_under_load_half_sends_nothing_and_all_goes_on(with_cards: Site) -> None:
    start(with_cards)
    names = [with_cards.drop(b.xml(declare())) for _ in range(25)]
    with_cards.wait(names[0], "sealed", "sent", "accepted")
    take_away(with_cards)
    names += [with_cards.drop(b.xml(declare())) for _ in range(15)]
    waits(with_cards, names[-1], "card")
    alerts = with_cards.home / "alerts.jsonl"
    assert wait_until(lambda: alerts.exists() and "demo-mofcom" in alerts.read_text("utf-8"), "ops to be told")
    put_back(with_cards)

    for name in names:
        status = with_cards.wait(name)
        assert status["state"] == "accepted"
        with_cards.wait_business(b.APPLICATION, status["document"], "已打印或生成电子许可证")
        status = wait_until(lambda n=name: (s := with_cards.status(n)) and len(s["receipts"]) >= 4 and s, "its receipts")
        stored = [r for r in status["receipts"] if r["code"] in ("0", "10")]
        assert sorted(r["code"] for r in stored) == ["0", "10"], "each was sent once"


@pytest.mark.requirement("ID-03")
@pytest.mark.requirement("EW-07")
@pytest.mark.needs_token
def test_a_wrong_pin_is_tried_once_until_a_person_gives_the_right_one(
    with_cards: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = tmp_path / "logins"
    (tmp_path / "spy").mkdir()
    (tmp_path / "spy" / "sitecustomize.py").write_text(_spy.format(log=str(log)))
    monkeypatch.setenv("PYTHONPATH", str(tmp_path / "spy"))
    file = with_cards.home / "secrets" / "customs.pin"
    right = file.read_text()
    file.write_text("00000000\n")
    start(with_cards)
    first = with_cards.drop_zip(b.xml(inspection()), STATEMENT)
    waits(with_cards, first, "pin")
    second = with_cards.drop_zip(b.xml(inspection()), STATEMENT)
    waits(with_cards, second, "pin")
    b.done(with_cards, declare())
    tries = log.read_text().count("login")
    for _ in range(2):
        with_cards.stop()
        with_cards.run()
    b.done(with_cards, declare())

    assert tries == 2, "once each card"
    assert log.read_text().count("login") == tries + 1, "only the other card's was used again"
    assert "tongguan card pin demo-customs" in with_cards.command("status").stdout
    assert "demo-customs" in (with_cards.home / "alerts.jsonl").read_text("utf-8")
    assert cards(with_cards)["demo-customs"]["do"] == f"tongguan card pin demo-customs --home {with_cards.home}"
    file.write_text(right)
    wrong, good = tmp_path / "wrong", tmp_path / "good"
    wrong.write_text("11111111\n")
    good.write_text(right)
    assert with_cards.command("card", "pin", "demo-customs", "--pin-file", str(wrong)).returncode != 0
    assert with_cards.status(first)["waiting_for"] == "pin"  # type: ignore[index]
    with_cards.command("card", "pin", "demo-customs", "--pin-file", str(good), check=True)
    for name in (first, second):
        assert with_cards.wait(name)["business_status"]["text"] == "同意"


@pytest.mark.requirement("ID-05")
@pytest.mark.requirement("ID-02")
@pytest.mark.requirement("NA-11")
def test_licences_are_signed_by_the_mofcom_key_and_inspections_by_the_customs_card(own_site: Site) -> None:
    """Each authority's card alone opens its own system, and no other."""
    whole = (own_site.home / "tongguan.toml").read_text("utf-8")
    own_site.simulate("--fast")
    whole = (own_site.home / "tongguan.toml").read_text("utf-8")
    for bound, other in (("mofcom", "customs"), ("customs", "mofcom")):
        (own_site.home / "tongguan.toml").write_text(whole, "utf-8")
        without_card(own_site, other)
        own_site.run()
        licence, entry = b.do(own_site, declare()), b.do(own_site, inspection(), files=STATEMENT)
        states = {"mofcom": licence, "customs": entry}
        assert states[bound]["state"] == "accepted"
        assert b.codes(states[other]) == {"GW-F06"}
        assert other in states[other]["faults"][0]["message"]
        own_site.stop()


@pytest.mark.requirement("ID-02")
def test_without_a_bound_card_nothing_is_entered_deleted_or_asked(own_site: Site) -> None:
    without_card(own_site, "mofcom", "customs")
    start(own_site)
    span = b.about_now()

    for root in (
        b.application("save"),
        declare(),
        b.inspection("save"),
        b.inspection_other("save"),
        b.message(b.INSPECTION, "delete", document="keins"),
        b.query(b.INSPECTION, "list", filters=span),
        b.query(b.INSPECTION_OTHER, "list", filters=span),
    ):
        assert "GW-F06" in b.codes(b.refused(own_site, root))


@pytest.mark.requirement("ID-05")
@pytest.mark.parametrize(
    ("key", "code", "root", "files"),
    [("mofcom_code", "3100MA1OTHER1", "application", None), ("customs_code", "2102960099", "inspection", STATEMENT)],
)
def test_a_card_whose_holder_is_not_who_must_sign_is_a_fault_before_sending(
    own_site: Site, key: str, code: str, root: str, files: dict[str, bytes] | None
) -> None:
    start(own_site)
    draft = b.done(own_site, b.application("save") if root == "application" else b.inspection("save"))
    own_site.stop()
    change_settings(own_site.home, "account", key, code)
    own_site.run()
    type_ = draft["type"]
    order = b.message(type_, "declare", document=draft["document"])
    status = b.refused(own_site, b.with_files(order, *([("声明.pdf", ABSENT)] if files else [])), files=files)

    assert b.codes(status) == {"GW-F20"}
    assert code in status["faults"][0]["message"]
    assert status["receipts"] == []


def card_processes(site: Site) -> list[int]:
    """The processes of the running gateway that hold cards."""
    gateway, found = site.processes["run"].pid, []
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit():
            with contextlib.suppress(OSError):
                words = (folder / "cmdline").read_bytes()
                if b"token_process" in words and int((folder / "stat").read_text().rpartition(")")[2].split()[1]) == gateway:
                    found.append(int(folder.name))
    return found


def stopped(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "T"
    except OSError:
        return False


@pytest.mark.long
@pytest.mark.requirement("ID-03")
@pytest.mark.needs_token
def test_a_hung_card_holds_up_nobody_elses_message_and_is_told(with_cards: Site) -> None:
    second = second_account(with_cards)
    start(with_cards)
    saved = b.done(with_cards, b.inspection("save"))
    b.done(with_cards, declare())
    hung = card_processes(with_cards)
    assert len(hung) == 2
    for pid in hung:
        os.kill(pid, signal.SIGSTOP)
    upload = b.with_files(b.message(b.INSPECTION, "attach", document=saved["document"]), ("声明.pdf", ABSENT))
    attach = with_cards.drop_zip(b.xml(upload), STATEMENT)
    wait_until(lambda: with_cards.status(attach), "the upload to be taken")
    others = second.drop(b.xml(b.application("save")))
    status = second.wait(others)

    assert status["state"] == "accepted"
    assert with_cards.status(attach)["state"] == "received"  # type: ignore[index]
    assert all(stopped(pid) for pid in hung), "nobody had to wait until the card was given up"
    heart = with_cards.mailbox / "Status" / "heartbeat.json"
    told = wait_until(
        lambda: (c := json.loads(heart.read_bytes())["cards"]["demo-customs"]) and not c["open"] and c, "the trouble"
    )
    assert (told["reason"], told["do"]) == ("hung", f"tongguan card list --home {with_cards.home}")
    for pid in hung:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGCONT)
    assert with_cards.wait(attach)["state"] == "accepted"
    wait_until(lambda: json.loads(heart.read_bytes())["cards"]["demo-customs"]["open"], "the trouble to end")
