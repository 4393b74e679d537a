"""`tongguan doctor` connects to the broker, declares, sends to itself, and says which right is missing."""

from __future__ import annotations

import json
import os
import re
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import brokers
import kombu
import pytest
import redis
from homes import new_home

from tongguan.gateway.cli import main
from tongguan.gateway.home.home import change_settings


def looked(home: Path, capsys: pytest.CaptureFixture[str]) -> dict[str, tuple[bool, str]]:
    with pytest.raises(SystemExit):
        main(["doctor", "--home", str(home), "--json", "--lang", "en"])
    told = json.loads(capsys.readouterr().out)
    return {each["check"]: (each["ok"], f"{each['text']} {each['do']}") for each in told if each["check"].startswith("broker")}


def home_with(folder: Path, *lines: str) -> Path:
    home = folder / "home"
    new_home(home)
    with (home / "tongguan.toml").open("a") as file:
        file.write("\n[broker]\n" + "\n".join(lines) + "\n")
    return home


@pytest.mark.requirement("GW-02")
def test_a_fit_broker_is_declared_and_answers_itself(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    with brokers.virtual_host() as virtual_host:
        monkeypatch.setenv("BROKER_PASSWORD", "guest")
        address = brokers.address_of(virtual_host).replace("guest:guest@", "")
        home = home_with(tmp_path, f'url = "{address}"', 'user = "guest"', 'password = "env:BROKER_PASSWORD"')

        found = looked(home, capsys)

        assert all(ok for ok, _ in found.values()), found
        assert {"broker tongguan.submit.demo", "broker tongguan.dead", "broker tongguan.events", "broker tongguan.doctor"} < set(
            found
        )
        assert "tongguan.doctor" not in brokers.control("list_queues", "-p", virtual_host, "name")


@pytest.mark.requirement("GW-02")
@pytest.mark.parametrize("page", ["integrators.md", "integrators.zh.md"])
def test_the_least_rights_of_the_page_are_enough_for_the_doctor_too(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, page: str
) -> None:
    text = (Path(__file__).parents[3] / "docs" / page).read_text(encoding="utf-8")
    (rights,) = re.findall(r"^`'(\S+)' '(\S+)' '(\S+)'`", text, re.MULTILINE)
    user = f"gateway-{os.getpid()}"
    monkeypatch.setenv("BROKER_PASSWORD", "of-the-gateway")
    with brokers.virtual_host() as virtual_host:
        home = home_with(
            tmp_path, f'url = "amqp://127.0.0.1:5672/{virtual_host}"', f'user = "{user}"', 'password = "env:BROKER_PASSWORD"'
        )
        brokers.control("add_user", user, "of-the-gateway")
        try:
            brokers.control("set_permissions", "-p", virtual_host, user, *rights)

            found = looked(home, capsys)
        finally:
            brokers.control("delete_user", user)

    assert all(ok for ok, _ in found.values()), found


@pytest.mark.requirement("GW-02")
def test_what_is_there_in_another_shape_is_no_matter_of_rights(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with brokers.virtual_host() as virtual_host:
        home = home_with(tmp_path, f'url = "{brokers.address_of(virtual_host)}"')
        with kombu.Connection(brokers.address_of(virtual_host)) as connection:
            connection.default_channel.exchange_declare("tongguan.events", "direct", durable=True, auto_delete=False)

        ok, said = looked(home, capsys)["broker tongguan.events"]

    assert not ok
    assert "with other arguments" in said and "tongguan.events" in said
    assert "set_permissions" not in said


@pytest.mark.requirement("GW-02")
def test_a_missing_right_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with brokers.virtual_host() as virtual_host:
        home = home_with(tmp_path, f'url = "{brokers.address_of(virtual_host)}"')
        brokers.control("set_permissions", "-p", virtual_host, "guest", "nothing", "nothing", "nothing")

        found = looked(home, capsys)

    assert found["broker"][0]
    for check in ("broker tongguan.dead", "broker tongguan.events"):
        ok, said = found[check]
        assert not ok
        assert "refused for user 'guest'" in said and "set_permissions" in said


def test_a_broker_that_is_not_there_is_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    found = looked(home_with(tmp_path, 'url = "amqp://127.0.0.1:1//"'), capsys)

    assert list(found) == ["broker"]
    assert "the connection is refused" in found["broker"][1]


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        (['url = "amqp://h:99999/"'], "broker.url is no address, or its port is none of 1 to 65535"),
        (['url = "amqp://h:abc/"'], "broker.url is no address, or its port is none of 1 to 65535"),
        (['url = "redis://h:0/0"'], "broker.url is no address, or its port is none of 1 to 65535"),
        (['url = "amqp://[::1/"'], "broker.url is no address, or its port is none of 1 to 65535"),
        (['url = "amqp://h/"', 'password = "file:secrets/none"'], "broker.password: secrets/none cannot be read"),
        (['url = "amqps://h/"', 'ca = "trust/none.pem"'], "ca, certificate or key of broker cannot be used"),
        (['url = "amqp://u:a/b@h/"'], "a sign in broker.url's user or password must be written as %2F and the like"),
        (['url = "amqp://u:12/b@h/"'], "a sign in broker.url's user or password must be written as %2F and the like"),
        (['url = "amqp://u:a#b@h/"'], "a sign in broker.url's user or password must be written as %2F and the like"),
        (['url = "amqp://u:a?b@h/"'], "a sign in broker.url's user or password must be written as %2F and the like"),
        (['url = "amqp://u:a[b@h/"'], "a sign in broker.url's user or password must be written as %2F and the like"),
        (['url = "amqp://h/v?heartbeat=30"'], "nothing may follow a ? or # in broker.url"),
        (['url = "amqp://h/v#x"'], "nothing may follow a ? or # in broker.url"),
        (['url = "redis://h/main"'], "broker: a database of Redis is a number, not 'main'"),
        (['url = "amqp://h/"', 'ca = "trust/customs.pem"'], "broker.ca is for amqps:// and rediss:// alone"),
        (['url = "redis://h/0"', 'certificate = "c.pem"'], "broker.certificate is for amqps:// and rediss:// alone"),
        (['url = "amqps://h/"', 'key = "k.pem"'], "broker.key is given without broker.certificate"),
    ],
)
def test_a_broker_with_which_no_gateway_starts_is_told_by_config_check(
    tmp_path: Path, tongguan: Callable[..., Any], lines: list[str], said: str
) -> None:
    home = home_with(tmp_path, *lines)

    for command, code in ((("config", "check"), 78), (("doctor",), 1)):
        told = tongguan(*command, "--home", home, "--lang", "en", "--json")

        assert told.code == code
        (broker,) = [each for each in told.json if each["check"] == "broker"]
        assert not broker["ok"] and said in broker["text"]


def test_config_check_says_nothing_of_a_broker_that_may_be_used(tmp_path: Path, tongguan: Callable[..., Any]) -> None:
    told = tongguan("config", "check", "--home", home_with(tmp_path, 'url = "amqp://[::1]:5672/v"'), "--json")

    assert told.code == 0 and "broker" not in {each["check"] for each in told.json}


@pytest.mark.parametrize("url", ["filesystem:///var/x", "sqla+sqlite:///x.db", "sqs://x", "kafka://x", "memory://"])
def test_what_loses_messages_is_refused_with_words_and_exit_78(tmp_path: Path, url: str) -> None:
    home = home_with(tmp_path, f'url = "{url}"')
    if url == "memory://":
        change_settings(home, "gateway", "environment", "production")
        for route in ("mofcom", "customs", "ministries"):
            change_settings(home, f"route.{route}", "environment", "production")

    command = [str(Path(__file__).parents[3] / ".venv/bin/tongguan"), "run", "--home", str(home)]
    ended = subprocess.run(command, capture_output=True, text=True, check=False, timeout=100)

    assert ended.returncode == 78
    assert "broker.url" in ended.stderr or "broker:" in ended.stderr
    assert "amqp://" in ended.stderr


@pytest.mark.requirement("GW-02")
def test_the_user_of_redis_is_told_the_rights_of_redis(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    brokers.redis_is_there()
    store = redis.Redis(*brokers.REDIS, db=10)
    store.execute_command("ACL", "SETUSER", "tongguan-doctor", "reset", "on", ">word", "~*", "+@all", "-rpop")
    try:
        place = f"{brokers.REDIS[0]}:{brokers.REDIS[1]}/10"
        found = looked(home_with(tmp_path, f'url = "redis://tongguan-doctor:word@{place}"'), capsys)
        well = looked(home_with(tmp_path / "well", f'url = "redis://{place}"'), capsys)
    finally:
        store.acl_deluser("tongguan-doctor")

    ok, said = found["broker tongguan.doctor"]
    assert not ok and "ACL SETUSER" in said and "rabbitmqctl" not in said
    assert all(ok for ok, _ in well.values()), well
    assert "consumers" not in well["broker tongguan.dead"][1], "Redis knows none"
