"""`tongguan service install` writes a unit that systemd takes, hardened; `config show` shows what holds; the image runs as nobody's root."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tongguan.gateway.home.home import change_settings
from tongguan.gateway.settings import Settings, settings_of

pytestmark = pytest.mark.requirement("GW-08")
ROOT = Path(__file__).parents[3]
Say = Callable[..., Any]
MOST_EXPOSED = 2.5


def entries(unit: str) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for name, value in re.findall(r"(?m)^([A-Za-z]+)=(.*)$", unit):
        found.setdefault(name, []).append(value)
    return found


def test_the_unit_is_written_and_what_comes_next_is_said(home: Path, tmp_path: Path, tongguan: Say) -> None:
    said = tongguan("service", "install", "--folder", tmp_path, "--user", "gateway", "--lang", "en")

    assert said.code == 0 and "systemctl enable --now tongguan" in said.out
    unit = entries((tmp_path / "tongguan.service").read_text())
    assert (unit["Type"], unit["User"], unit["WatchdogSec"]) == (["notify"], ["gateway"], ["3min"])
    assert unit["ExecStart"][0].endswith(f"tongguan run --home {home}")
    assert unit["ExecReload"][0].endswith(f"tongguan reload --home {home}")
    assert unit["ReadWritePaths"] == [str(home)]
    assert unit["RestartPreventExitStatus"] == ["78"]
    assert (tmp_path / "tongguan.service").stat().st_mode & 0o777 == 0o644


def test_the_service_waits_for_the_clock_to_be_set(home: Path, tongguan: Say) -> None:
    unit = tongguan("service", "install", "--print", "--user", "daemon").out

    assert all("time-sync.target" in line for line in unit.splitlines() if line.startswith(("After=", "Wants=")))


def test_an_older_unit_is_kept_beside(home: Path, tmp_path: Path, tongguan: Say) -> None:
    (tmp_path / "tongguan.service").write_text("# mine\n")
    tongguan("service", "install", "--folder", tmp_path, "--user", "gateway")

    assert (tmp_path / "tongguan.service.before").read_text() == "# mine\n"


def test_what_lies_outside_of_the_home_may_be_written_and_a_group_is_the_services_too(
    home: Path, tmp_path: Path, tongguan: Say
) -> None:
    change_settings(home, "account", "mailbox", str(tmp_path / "ex change" / "demo"))
    path = home / "tongguan.toml"
    path.write_text(path.read_text("utf-8").replace("[[account]]\n", '[[account]]\ngroup = "erp"\n', 1), "utf-8")
    unit = entries(tongguan("service", "install", "--print", "--user", "gateway").out)

    assert unit["ReadWritePaths"] == [f'{home} "{tmp_path}/ex change/demo"']
    assert unit["SupplementaryGroups"] == ["erp"] and "RestrictSUIDSGID" not in unit


def test_where_it_may_not_be_written_the_command_that_prints_it_is_told(home: Path, tongguan: Say) -> None:
    said = tongguan("service", "install", "--folder", "/proc/nowhere", "--user", "gateway", "--lang", "en")

    assert said.code == 1 and "tongguan service install --print --name tongguan" in said.err
    assert "as root" not in said.err  # which would not help: there is no such folder


def test_a_home_below_tmp_and_a_python_below_a_persons_home_are_seen_by_the_service(
    home: Path, tongguan: Say, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert home.is_relative_to(Path("/", "tmp")) == (
        entries(tongguan("service", "install", "--print").out)["PrivateTmp"] == ["no"]
    )

    monkeypatch.setattr(sys, "base_prefix", str(Path("/", "home", "somebody")))
    assert entries(tongguan("service", "install", "--print").out)["ProtectHome"] == ["read-only"]


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="needs systemd-analyze")
def test_systemd_takes_it_and_finds_it_little_exposed(home: Path, tmp_path: Path, tongguan: Say) -> None:
    unit = tmp_path / "tongguan.service"
    unit.write_text(tongguan("service", "install", "--print", "--user", "daemon").out)
    verified = subprocess.run(["systemd-analyze", "verify", unit], capture_output=True, text=True, check=False)
    assert not re.search(r"(Unknown|Failed to parse|Invalid|ignoring)", verified.stderr), verified.stderr
    words = ["systemd-analyze", "security", "--offline=true", "--no-pager", unit]
    found = re.search(
        r"Overall exposure level.*?: ([0-9.]+)", subprocess.run(words, capture_output=True, text=True, check=False).stdout
    )

    assert found and float(found[1]) <= MOST_EXPOSED


def test_the_settings_as_they_hold_are_settings_again(home: Path, tongguan: Say) -> None:
    raw = (home / "tongguan.toml").read_bytes()
    given, shown = settings_of(raw, home), tongguan("config", "show", "--defaults").out

    assert settings_of(shown.encode(), home) == given
    held = tomllib.loads(shown)
    assert set(Settings.model_fields) - {"home"} == set(held)
    assert held["schedule"]["warn"] == "5d" and held["alerts"]["repeat"] == "4h"
    assert "schedule" not in tomllib.loads(tongguan("config", "show").out)
    assert tongguan("config", "show", "--json").json["gateway"] == {"environment": "test", "language": "zh"}


def test_secrets_are_not_shown(home: Path, tongguan: Say) -> None:
    path = home / "tongguan.toml"
    text = path.read_text("utf-8").replace('pin = "file:secrets/customs.pin"', 'pin = "24682468"')
    hook = '[[alerts.webhook]]\nname = "r"\nurl = "https://robot.example.cn/send?access_token=24682468"\n'
    path.write_text(f'{text}\n[broker]\nurl = "amqp://a:24682468@mq/"\n{hook}', "utf-8")

    for words in (["config", "show"], ["config", "show", "--defaults", "--json"]):
        said = tongguan(*words).out
        assert "24682468" not in said and "***" in said and "file:secrets/mofcom.pin" in said


def test_the_image_is_not_roots_and_healthy_as_status_says() -> None:
    text = (ROOT / "Containerfile").read_text()
    last = text[text.rindex("\nFROM ") :]

    assert re.search(r"(?m)^USER 10001$", last) and re.search(r"(?m)^VOLUME /srv/tongguan$", last)
    assert re.search(r"(?m)^HEALTHCHECK .* CMD tongguan status --json >/dev/null \|\| \[ \$\? -eq 1 \]$", last)
    assert 'ENTRYPOINT ["tongguan"]' in last and "--read-only" in text


def test_the_image_speaks_to_cards_unless_it_is_built_without() -> None:
    text = (ROOT / "Containerfile").read_text()
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]

    assert re.search(r"(?m)^ARG EXTRA=\[pkcs11\]$", text) and "pkcs11" in extras
    assert text.count('tongguan-*.whl)$EXTRA"') == text.count('"tongguan$EXTRA"') == 1
    assert len(re.findall(r"(?m)^ARG EXTRA$", text)) == len(re.findall(r"(?m)^FROM ", text)) == 2


def test_metrics_of_a_home_that_does_not_run_are_told_by_the_command(home: Path, tongguan: Say) -> None:
    said = tongguan("status", "--metrics").out

    assert "tongguan_up 0.0" in said
    assert 'tongguan_trouble{code="stopped",level="critical"} 1.0' in said
