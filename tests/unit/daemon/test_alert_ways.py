"""A gateway's alerts arrive at a real mail server, a web server and a program; `tongguan alerts test` tries each of them."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from receivers import HOST, MailBox, WebReceiver, mail_server, web_server
from sites import wait_until

from tongguan.gateway.daemon.daemon import Daemon
from tongguan.gateway.model.errors import SettingsWrong
from tongguan.gateway.system import logs
from tongguan.outbox import alert_channels

pytestmark = pytest.mark.requirement("GW-08")
Ways = tuple[MailBox, WebReceiver, Path]


@pytest.fixture
def ways(home: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Ways]:
    """A home whose alerts go to all three."""
    monkeypatch.setattr(logs.Logger, "_say", lambda *_: None)
    monkeypatch.setattr(alert_channels, "FIRST_WAIT", 0.2)
    program = home / "tell.py"
    program.write_text("import sys; open('told.jsonl', 'a').write(sys.stdin.read() + '\\n')")
    with mail_server() as mail, web_server() as web:
        web.answer = {"errcode": 0}
        (home / "secrets" / "robot").write_text(f"{web.url}?access_token=abc\n")
        (home / "secrets" / "robot").chmod(0o600)
        with open(home / "tongguan.toml", "a") as settings:
            settings.write(f'''
[[alerts.mail]]
name = "mail"
host = "{HOST}"
port = {mail.port}
tls = "none"
sender = "gateway@example.cn"
to = ["wang@example.cn"]
[[alerts.webhook]]
name = "robot"
url = "file:secrets/robot"
form = "dingtalk"
[[alerts.command]]
name = "program"
run = ["{sys.executable}", "tell.py"]
''')
        yield mail, web, home / "told.jsonl"


def programs(told: Path) -> list[Any]:
    return [json.loads(line) for line in told.read_text().splitlines()] if told.exists() else []


def test_what_is_wrong_arrives_by_each_way_and_so_does_its_end(ways: Ways, home: Path) -> None:
    mail, web, told = ways
    daemon = Daemon(home)
    daemon.doors = []
    daemon.start()
    daemon.alerts.tell("sms", "短信未能送出", do="tongguan doctor", about="x")
    wait_until(lambda: mail.mails and web.posts and programs(told), "the alert by all three")
    daemon.alerts.over("sms", "x")
    wait_until(lambda: len(mail.mails) > 1 and len(web.posts) > 1 and len(programs(told)) > 1, "its end by all three")
    daemon.stop()

    for texts in (
        [each.get_content() for each in mail.mails],
        [each.body["text"]["content"] for each in web.posts],
        [each["text"] for each in programs(told)],
    ):
        assert "告警 sms x\n短信未能送出" in texts[0].replace("\r", "") and "结束 sms x" in texts[-1].replace("\r", "")
        assert str(home) in texts[0]


def test_a_way_that_fails_is_told_by_the_others_and_is_over_when_it_works(ways: Ways, home: Path) -> None:
    mail, web, _ = ways
    web.answer = {"errcode": 300005, "errmsg": "token is not exist"}
    daemon = Daemon(home)
    daemon.doors = []
    daemon.start()
    daemon.alerts.tell("sms", "短信未能送出", do="tongguan doctor", about="x")
    wait_until(lambda: any("token is not exist" in each.get_content() for each in mail.mails), "the mail about the robot")
    (problem,) = [p for p in daemon.alerts.problems() if p.code == "channel"]
    assert problem.about == "robot" and problem.do == f"tongguan alerts test robot --home {home}"
    web.answer = {"errcode": 0}
    wait_until(lambda: not [p for p in daemon.alerts.problems() if p.code == "channel"], "the end")
    daemon.stop()

    assert "短信未能送出" in web.posts[-1].body["text"]["content"]
    assert not any("channel" in each.body["text"]["content"] for each in web.posts), "of itself it tells nobody"


def test_a_trial_goes_by_each_way_or_by_one(ways: Ways, tongguan: Callable[..., Any]) -> None:
    mail, web, told = ways
    said = tongguan("alerts", "test")
    assert said.code == 0 and [line[0] for line in said.out.splitlines()] == ["✓"] * 3
    assert (len(mail.mails), len(web.posts), len(programs(told))) == (1, 1, 1)
    assert "试送" in mail.mails[0].get_content()

    web.status = 500
    said = tongguan("alerts", "test", "robot", "--json")
    assert (said.code, said.json) == (1, [{"channel": "robot", "ok": False, "text": "应答 500"}])
    assert len(mail.mails) == 1
    said = tongguan("alerts", "test", "robbot", "--lang", "en")
    assert said.code == 2 and "did you mean robot" in said.err


def test_without_a_way_the_trial_says_what_to_write(home: Path, tongguan: Callable[..., Any]) -> None:
    said = tongguan("alerts", "test", "--lang", "en")

    assert said.code == 1 and "[[alerts.mail]]" in said.err


def test_a_way_that_cannot_be_used_stops_the_start_and_is_told_by_the_check(
    ways: Ways, home: Path, tongguan: Callable[..., Any]
) -> None:
    path = home / "tongguan.toml"
    path.write_text(path.read_text().replace('form = "dingtalk"', 'form = "dingtakl"'))

    with pytest.raises(SettingsWrong, match="dingtalk"):
        Daemon(home)
    said = tongguan("config", "check", "--lang", "en")
    assert said.code == 78 and "✗ alerts robot" in said.out and "did you mean 'dingtalk'" in said.out


def test_two_ways_of_one_name_are_refused(ways: Ways, home: Path) -> None:
    path = home / "tongguan.toml"
    path.write_text(path.read_text().replace('name = "robot"', 'name = "mail"'))

    with pytest.raises(SettingsWrong, match="mail"):
        Daemon(home)


@pytest.mark.requirement("GW-08")
def test_an_alert_file_that_cannot_be_written_is_told_until_it_can(home: Path, tongguan: Callable[..., Any]) -> None:
    with (home / "tongguan.toml").open("a") as settings:
        settings.write('\n[alerts]\nfile = "log/alerts.jsonl"\n')
    daemon = Daemon(home)
    daemon.doors = []
    daemon.start()

    def told() -> list[str]:
        return [problem.about for problem in daemon.alerts.problems() if problem.code == "channel"]

    def doctor() -> str:
        (file,) = [each for each in tongguan("doctor", "--json", "--lang", "en").json if each["check"] == "alerts file"]
        return str(file["do"])

    try:
        daemon.alerts.tell("sms", "短信未能送出", do="tongguan doctor", about="x")
        wait_until(lambda: told() == ["log/alerts.jsonl"], "that it cannot be written")
        assert "name another one as alerts.file" in doctor()
        (home / "log").mkdir()
        wait_until(lambda: not told(), "the end of it")
        assert doctor() == ""
    finally:
        daemon.stop()
    written = [json.loads(line) for line in (home / "log" / "alerts.jsonl").read_text("utf-8").splitlines()]
    assert [(line["code"], line.get("over", False)) for line in written if line["code"] in ("sms", "channel")][:2] == [
        ("sms", False),
        ("channel", False),
    ]
    assert any(line["code"] == "channel" and line.get("over") for line in written)
