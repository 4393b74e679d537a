"""Production has nothing of tests in it, and secrets are nobody else's: told at once, before anything starts."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding
from homes import begins

from tongguan.codecs.checking.named_checks import uscc_is_right
from tongguan.gateway.daemon.daemon import Daemon
from tongguan.gateway.daemon.start_checks.production import made_for_tests, refuse_test_material
from tongguan.gateway.daemon.start_checks.secrets_check import concerns
from tongguan.gateway.home.home import make_home
from tongguan.gateway.model.errors import SettingsWrong
from tongguan.gateway.settings import read_settings
from tongguan.gateway.system import clock
from tongguan.signer.cards.module import find_module

pytestmark = pytest.mark.requirement("GW-13")
Tongguan = Callable[..., Any]
USCC = next(code for end in "0123456789ABCDEFGHJKLMNPQRTUWXY" if uscc_is_right(code := f"91210200MA0ACMEX1{end}"))
FLAGS = {
    "account": "acme",
    "title": '安可"\\公司',
    "uscc": USCC,
    "customs-code": "2102960002",
    "mofcom-code": "2100MA0ACMEX1",
    "mofcom-url": "https://mofcom.example/gateway",
    "customs-url": "https://customs.example/gateway",
}


def flags(**changed: str) -> list[str]:
    answers = {**FLAGS, **{name.replace("_", "-"): value for name, value in changed.items()}}
    return [word for name, value in answers.items() if value for word in (f"--{name}", value)]


def called_production(home: Path) -> None:
    path = home / "tongguan.toml"
    path.write_text(path.read_text("utf-8").replace('environment = "test"', 'environment = "production"'), "utf-8")


def certificate(key: Any) -> bytes:
    """An authority's own, made by nobody of ours."""
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "authority")])
    now = clock.now()
    builder = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key()).serial_number(1)
    builder = builder.not_valid_before(now - timedelta(days=1)).not_valid_after(now + timedelta(days=100))
    return builder.sign(key, hashes.SHA256()).public_bytes(Encoding.PEM)


@pytest.fixture
def real(tongguan: Tongguan, home: Path, tmp_path: Path) -> Path:
    """A production home that is complete but for its cards."""
    place = tmp_path / "real"
    assert tongguan("init", "--production", place, *flags()).code == 0
    for name in ("mofcom", "customs"):
        (place / "trust" / f"{name}.pem").write_bytes(certificate(ec.generate_private_key(ec.SECP256R1())))
        (place / "secrets" / f"{name}.pin").touch(mode=0o600)
        (place / "secrets" / f"{name}.pin").write_text("87654321\n")
    return place


def told(home: Path) -> str:
    with pytest.raises(SettingsWrong) as caught:
        refuse_test_material(read_settings(home))
    return str(caught.value)


def test_everything_of_a_test_home_is_known_as_such(home: Path) -> None:
    called_production(home)
    said = told(home)

    for place in (
        "card demo-mofcom",
        "card demo-customs",
        "route mofcom certificates",
        "route ministries secrets_to",
        "account demo",
    ):
        assert place in said
    assert said.count("mofcom.pin") == 1
    with pytest.raises(SettingsWrong, match="demo-customs"):
        Daemon(home)


def test_whatever_stops_a_start_is_told_at_once(home: Path) -> None:
    called_production(home)
    path = home / "tongguan.toml"
    text = path.read_text("utf-8").replace("http://127.0.0.1", "http://mofcom.example", 1)
    path.write_text(text + 'token = "file:secrets/nowhere"\n[account.defaults."XX.none"]\na = "b"\n', "utf-8")
    (home / "trust/mofcom.pem").unlink()
    (home / "trust/customs-encryption.pem").write_bytes(b"spoilt")
    with pytest.raises(SettingsWrong) as caught:
        Daemon(home)
    said = str(caught.value)

    for fault in (
        "demo-customs",
        "mofcom.pem",
        "route.customs.secrets_to",
        "route.mofcom.url",
        "route.ministries.token",
        "XX.none",
    ):
        assert fault in said
    assert len(said.splitlines()) == len(set(said.splitlines()))


def test_a_home_of_ones_own_starts(real: Path) -> None:
    assert list(made_for_tests(read_settings(real))) == []
    daemon = Daemon(real)
    daemon.stop()


def test_the_business_clock_of_a_test_home_is_refused(real: Path) -> None:
    begins(real, "2031-01-01", speed=60)

    said = told(real)
    assert "clock" in said
    assert str(real / "clock.json") in said
    with pytest.raises(SettingsWrong, match="clock"):
        Daemon(real)


@pytest.mark.parametrize("key", ["certificates", "encrypt_to", "secrets_to", "ca", "client_certificate"])
def test_a_simulators_certificate_is_refused_wherever_it_is_named(real: Path, home: Path, key: str) -> None:
    path = real / "tongguan.toml"
    kind = "customs-encryption" if key.endswith("_to") else "customs"
    (real / "trust" / "copied.pem").write_bytes((home / "trust" / f"{kind}.pem").read_bytes())
    value = '["trust/customs.pem", "trust/copied.pem"]' if key == "certificates" else '"trust/copied.pem"'
    text = (
        re.sub(r"^certificates = .*\n", "", path.read_text("utf-8"), flags=re.MULTILINE)
        if key == "certificates"
        else path.read_text("utf-8")
    )
    text = text.replace("[route.customs]\n", f"[route.customs]\n{key} = {value}\n")
    text = (
        text.replace("[route.mofcom]\n", '[route.mofcom]\ncertificates = ["trust/mofcom.pem"]\n')
        if key == "certificates"
        else text
    )
    path.write_text(text, "utf-8")

    assert f"route customs {key}" in told(real)


def test_a_simulators_token_and_a_sample_pin_are_known_in_another_place(home: Path) -> None:
    called_production(home)
    path = home / "tongguan.toml"
    admin = re.search(r'admin_token = "(.*)"', (home / "simulators/simulators.toml").read_text("utf-8"))
    assert admin is not None
    (home / "secrets" / "t").write_text(admin[1] + "\n")
    (home / "elsewhere.pin").write_bytes((home / "secrets" / "mofcom.pin").read_bytes())
    text = path.read_text("utf-8").replace("[route.customs]\n", '[route.customs]\ntoken = "file:secrets/t"\n')
    path.write_text(text.replace("file:secrets/mofcom.pin", "file:elsewhere.pin"), "utf-8")
    said = told(home)

    assert "route customs token" in said
    assert "elsewhere.pin" in said
    assert admin[1] not in said
    (home / "elsewhere.pin").write_text("87654321\n")
    assert "elsewhere.pin holds" not in told(home) and "elsewhere.pin 是测试" not in told(home)


@pytest.mark.needs_token
def test_a_test_card_in_the_reader_is_refused(real: Path, tmp_path: Path) -> None:
    if find_module() is None:
        pytest.skip("no SoftHSM library on this machine")
    try:
        sample = make_home(tmp_path / "sample", card="pkcs11", port_base=0).home
    except Exception as trouble:
        pytest.skip(str(trouble))
    for name in ("tokens", "softhsm2.conf"):
        (sample / name).rename(real / name)
    path = real / "tongguan.toml"
    path.write_text(path.read_text("utf-8").replace('module = ""', 'module = "libsofthsm2.so"'), "utf-8")

    assert "card customs-card" in told(real)


# Secrets


def checks(home: Path) -> dict[str, Any]:
    return {each.check: each for each in concerns(read_settings(home))}


@pytest.mark.parametrize(
    ("was", "now", "check"),
    [
        ('pin = "file:secrets/customs.pin"', 'pin = "24682468"', "card demo-customs pin"),
        ("[route.customs]\n", '[route.customs]\ntoken = "24682468"\n', "route customs token"),
        ("[route.customs]\n", '[sms]\ntoken = "24682468"\n\n[route.customs]\n', "sms token"),
        ("[route.customs]\n", '[sms]\nurl = "https://a:24682468@sms/x"\n\n[route.customs]\n', "sms url"),
        (
            "[route.customs]\n",
            '[[alerts.mail]]\nname = "m"\nhost = "h"\nsender = "a"\nto = ["b"]\nuser = "u"\npassword = "24682468"\n\n[route.customs]\n',
            "alerts m password",
        ),
        ("[route.customs]\n", '[broker]\nurl = "amqp://a:24682468@mq/"\n\n[route.customs]\n', "broker url"),
    ],
)
def test_a_secret_in_clear_text_is_told_and_not_shown(tongguan: Tongguan, home: Path, was: str, now: str, check: str) -> None:
    path = home / "tongguan.toml"
    path.write_text(path.read_text("utf-8").replace(was, now, 1), "utf-8")
    path.chmod(0o644)
    said = tongguan("config", "check")

    assert check in said.out
    assert "24682468" not in said.out + said.err
    called_production(home)
    assert check in told(home)


@pytest.mark.parametrize(
    ("url", "told_of"),
    [
        ("amqp://mq.example:5672//", "amqps://"),
        ("redis://10.0.0.5/1", "rediss://"),
        ("amqps://mq.example//", ""),
        ("amqp://127.0.0.1//", ""),
        ("amqp://localhost//", ""),
        ("redis://[::1]:6379/0", ""),
    ],
)
def test_a_broker_across_the_network_without_tls_is_a_warning_in_production_alone(home: Path, url: str, told_of: str) -> None:
    path = home / "tongguan.toml"
    path.write_text(path.read_text("utf-8") + f'\n[broker]\nurl = "{url}"\n', "utf-8")
    assert "broker url" not in checks(home)

    called_production(home)
    found = checks(home).get("broker url")

    assert (found is not None and not found.grave and told_of in found.do_en) if told_of else found is None


@pytest.mark.parametrize("place", ["secrets/customs.pin", "cards/demo-customs.key", "secrets/anchor.key"])
def test_a_secret_that_others_may_read_is_a_warning_in_a_test_home_and_no_production(
    tongguan: Tongguan, home: Path, place: str
) -> None:
    (home / place).touch()
    (home / place).chmod(0o644)
    said = tongguan("config", "check", "--json")
    warned = [f["do"] for f in said.json if not f["ok"]]

    assert (said.code, warned) == (0, [f"chmod 600 {home.resolve() / place}"])
    called_production(home)
    assert place in told(home)


@pytest.mark.parametrize("place", ["tongguan.toml", "trust/customs.pem", "cards/demo-customs.pem"])
@pytest.mark.parametrize(("mode", "starts"), [(0o664, True), (0o666, False)])
def test_what_says_whom_to_believe_is_told_of_where_others_may_change_it(
    tongguan: Tongguan, home: Path, place: str, mode: int, starts: bool
) -> None:
    (home / place).chmod(mode)
    said = tongguan("config", "check", "--json")
    warned = [f["do"] for f in said.json if not f["ok"]]

    assert (said.code, set(warned)) == (0, {f"chmod go-w {home.resolve() / place}"})
    called_production(home)
    assert ("others may change" in told(home)) is not starts


@pytest.mark.parametrize("content", [b"", b"\n", b"\xff\xfe2", "１２３４５６".encode()])
def test_doctor_reads_the_pin_that_it_praises(tongguan: Tongguan, home: Path, content: bytes) -> None:
    good = {f["check"]: f["ok"] for f in tongguan("doctor", "--json").json}
    (home / "secrets/customs.pin").write_bytes(content)
    bad = {f["check"]: f["ok"] for f in tongguan("doctor", "--json").json}
    (home / "secrets/customs.pin").write_bytes(b"\xef\xbb\xbf12345678\r\n")
    marked = {f["check"]: f["ok"] for f in tongguan("doctor", "--json").json}

    assert (good["pin demo-customs"], bad["pin demo-customs"], marked["pin demo-customs"]) == (True, False, True)


# init --production


def test_without_an_answer_it_says_which_and_makes_nothing(tongguan: Tongguan, tmp_path: Path) -> None:
    said = tongguan("init", "--production", tmp_path / "new", "--account", "acme")

    assert said.code == 2
    for flag in set(FLAGS) - {"account"}:
        assert f"--{flag}" in said.err
    assert "--account" not in said.err
    assert not (tmp_path / "new").exists()


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("account", "Demo Co"),
        ("account", "a/../b"),
        ("title", "两\n行"),
        ("title", "大连示例进出口有限公司"),
        ("uscc", USCC[:-1] + ("0" if USCC[-1] != "0" else "1")),
        ("uscc", "91210200MA0EXAMPLC"),
        ("customs_code", "210296000"),
        ("customs_code", "2102960001"),
        ("mofcom_code", "2100MA0EXAMPL"),
        ("mofcom_code", "210"),
        ("mofcom_url", "http://mofcom.example"),
        ("customs_url", "https://user:pass@customs.example"),
        ("customs_url", "customs"),
    ],
)
def test_what_cannot_be_right_is_refused(tongguan: Tongguan, tmp_path: Path, name: str, value: str) -> None:
    said = tongguan("init", "--production", tmp_path / "new", *flags(**{name: value}))

    assert said.code == 2
    assert f"--{name.replace('_', '-')}" in said.err
    assert not (tmp_path / "new").exists()


def test_a_production_home_holds_what_was_said_and_nothing_for_tests(tongguan: Tongguan, home: Path, tmp_path: Path) -> None:
    place = tmp_path / "new"
    said = tongguan("init", "--production", place, *flags(), "--json")
    settings = read_settings(place)
    (account,) = settings.account

    assert said.code == 0
    assert (settings.gateway.environment, account.title, account.uscc) == ("production", FLAGS["title"], USCC)
    assert {card.authority: (card.kind, card.bound) for card in account.card} == {
        "mofcom": ("pkcs11", ""),
        "customs": ("pkcs11", ""),
    }
    assert set(settings.route) == {"mofcom", "customs"}
    assert not any((place / name).exists() for name in ("simulators", "cards", "tokens"))
    assert {"pin mofcom-card", "route mofcom trust/mofcom.pem", "pkcs11"} <= {each["check"] for each in said.json["missing"]}
    assert tongguan("simulate", "--home", place).code == 78


def test_what_is_missing_is_told_with_commands_about_the_new_home(tongguan: Tongguan, home: Path, tmp_path: Path) -> None:
    said = tongguan("init", "--production", tmp_path / "new", *flags())

    assert f"tongguan card bind mofcom-card --home {tmp_path / 'new'}" in said.out


def test_doctor_ticks_the_checklist_off(tongguan: Tongguan, real: Path) -> None:
    before = (real / "checklist.md").read_text("utf-8")
    tongguan("doctor", "--home", real)
    after = (real / "checklist.md").read_text("utf-8")

    for line in ("pin mofcom-card", "route mofcom trust/mofcom.pem"):
        assert f"- [ ] {line}" in before
        assert f"- [x] {line}" in after
    assert "- [ ] card mofcom-card" in after
    assert f"tongguan card bind mofcom-card --home {real}" in before
    assert f"tongguan card bind mofcom-card --home {real}" in after
    assert "tongguan simulate" not in after


def test_a_person_is_asked_again_until_the_answer_can_be_right(
    tongguan: Tongguan, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stdin.isatty", lambda: True, raising=False)
    answers = iter(
        ["acme", "安可", "123", USCC, "2102960002", "2100MA0ACMEX1", "https://m.example", "nowhere", "https://c.example", "", ""]
    )
    monkeypatch.setattr("typer.prompt", lambda *_, **__: next(answers))
    said = tongguan("init", "--production", tmp_path / "new")

    assert said.code == 0, said.err
    assert read_settings(tmp_path / "new").route["customs"].url == "https://c.example"
    assert list(answers) == []


def test_flags_of_production_are_not_taken_for_a_test_home(tongguan: Tongguan, tmp_path: Path) -> None:
    assert tongguan("init", tmp_path / "new", "--uscc", USCC).code == 2
    assert not (tmp_path / "new").exists()


def test_all_that_init_makes_is_marked(home: Path) -> None:
    found = [path for folder in ("trust", "cards", "simulators") for path in (home / folder).rglob("*.pem")]

    assert len(found) > 6
    for path in found:
        for each in x509.load_pem_x509_certificates(path.read_bytes()):
            assert "OU=TONGGUAN TEST ONLY" in each.subject.rfc4514_string(), path
    assert json.loads((home / "simulators" / "made-for-tests.json").read_bytes())["sha256"]
