"""Test and production never mix."""

from __future__ import annotations

import json
import subprocess
import tomllib

import bodies as b
import pytest
from endpoint import site_with_endpoints
from patience import ran
from sites import TONGGUAN, Site

pytestmark = pytest.mark.requirement("GW-13")
WRONG_SETTINGS = 78


def started(site: Site, command: str = "run") -> subprocess.CompletedProcess[str]:
    """What a start that must fail says."""
    words = [*TONGGUAN, command, "--home", str(site.home)]
    return ran(words)


def settings(site: Site, *, was: str, now: str, times: int = -1) -> None:
    path = site.home / "tongguan.toml"
    text = path.read_text()
    assert was in text
    path.write_text(text.replace(was, now, times))


def test_a_route_of_another_environment_stops_the_start(own_site: Site) -> None:
    settings(own_site, was='[route.customs]\nenvironment = "test"', now='[route.customs]\nenvironment = "production"')
    said = started(own_site)

    assert said.returncode == WRONG_SETTINGS
    assert "route.customs.environment" in said.stderr + said.stdout
    assert own_site.command("config", "check").returncode == WRONG_SETTINGS


def test_without_an_environment_nothing_starts(own_site: Site) -> None:
    settings(own_site, was='environment = "test"\n', now="", times=1)
    said = started(own_site)

    assert said.returncode == WRONG_SETTINGS
    assert "environment" in said.stderr + said.stdout


def test_an_unknown_environment_stops_the_start(own_site: Site) -> None:
    settings(own_site, was='environment = "test"', now='environment = "tset"')

    assert started(own_site).returncode == WRONG_SETTINGS


def test_a_journal_belongs_to_one_environment_for_ever(own_site: Site) -> None:
    own_site.run()
    own_site.stop("run")
    settings(own_site, was='environment = "test"', now='environment = "production"')
    said = started(own_site)

    assert said.returncode == WRONG_SETTINGS
    assert "production" in said.stderr + said.stdout
    settings(own_site, was='environment = "production"', now='environment = "test"')
    own_site.run()


def test_simulators_refuse_production(own_site: Site) -> None:
    file = own_site.home / "simulators" / "simulators.toml"
    file.write_text(file.read_text().replace('environment = "test"', 'environment = "production"'))
    said = started(own_site, "simulate")

    assert said.returncode == WRONG_SETTINGS
    assert "production" in said.stderr + said.stdout
    assert tomllib.loads(file.read_text())["environment"] == "production"


def test_simulators_refuse_to_play_for_a_production_home(own_site: Site) -> None:
    settings(own_site, was='environment = "test"', now='environment = "production"')
    said = started(own_site, "simulate")

    assert said.returncode == WRONG_SETTINGS


def test_the_environment_stands_on_the_wire_and_in_every_status(site: Site) -> None:
    status = b.done(site, b.application("declare"))
    document = site.wait_business(b.APPLICATION, status["document"], "已打印或生成电子许可证")
    pages = [json.loads((site.mailbox / "Status" / name).read_bytes()) for name in ("index.json", "heartbeat.json")]

    assert {each["environment"] for each in (status, document, *pages)} == {"test"}
    assert json.loads(site.command("status", "--json").stdout)["environment"] == "test"


def test_a_test_home_that_is_called_production_does_not_start_and_says_all_that_is_of_tests(own_site: Site) -> None:
    settings(own_site, was='environment = "test"', now='environment = "production"')
    said = started(own_site)

    assert said.returncode == WRONG_SETTINGS
    for place in (
        "card demo-mofcom",
        "card demo-customs",
        "route mofcom certificates",
        "route customs secrets_to",
        "uscc",
        "mofcom.pin",
    ):
        assert place in said.stderr, place
    assert own_site.command("config", "check").returncode == WRONG_SETTINGS
    assert not (own_site.home / "daemon.sock").exists()


def test_the_word_on_the_wire_is_that_of_the_settings(tmp_path_factory: pytest.TempPathFactory) -> None:
    site, mofcom, customs = site_with_endpoints(tmp_path_factory.mktemp("wire"))
    site.run()
    try:
        reference = b.fresh("wire")
        site.wait(site.drop(b.xml(b.application("declare", reference=reference))), "sent")
        assert b"<environment>test</environment>" in mofcom.posts(reference)[0].body
    finally:
        site.stop("run")
        mofcom.down()
        customs.down()
