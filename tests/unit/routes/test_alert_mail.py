"""Alerts are handed to a real mail server, under TLS whose certificate is checked; what it does not take is said with its words."""

from __future__ import annotations

import ssl
from pathlib import Path
from typing import Any

import pytest
from receivers import HOST, mail_server, server_certificate

from tongguan.gateway.model.errors import SettingsWrong
from tongguan.gateway.settings import AlertMail
from tongguan.routes.alert_mail import MailRefused, MailServer

pytestmark = pytest.mark.requirement("GW-08")


@pytest.fixture(scope="module")
def identity(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, ssl.SSLContext]:
    return server_certificate(tmp_path_factory.mktemp("server"))


def mailer(home: Path, port: int, environment: str = "production", **more: Any) -> MailServer:
    given = {
        "name": "duty",
        "host": HOST,
        "port": port,
        "sender": "gateway@example.cn",
        "to": ["wang@example.cn", "li@example.cn"],
    }
    return MailServer(AlertMail.model_validate({**given, "timeout": "5s", **more}), environment, home)


@pytest.mark.parametrize("tls", ["starttls", "tls"])
def test_a_mail_goes_out_encrypted_and_logged_in(tmp_path: Path, identity: tuple[Path, ssl.SSLContext], tls: str) -> None:
    ca, context = identity
    (tmp_path / "password").write_text("right\n")
    with mail_server(context, tls=tls, login=tls == "starttls") as box:
        user = {"user": "gateway", "password": "file:password"} if tls == "starttls" else {}
        mailer(tmp_path, box.port, tls=tls, ca=str(ca), **user).send("[通关网关 test] 告警 card: 不在\n读卡器中", "正文\n第二行")

    (mail,) = box.mails
    assert box.encrypted == [True] and box.users == (["gateway"] if user else [])
    assert mail["Subject"] == "[通关网关 test] 告警 card: 不在 读卡器中"
    assert (mail["To"], mail["From"]) == ("wang@example.cn, li@example.cn", "gateway@example.cn")
    assert mail["Auto-Submitted"] == "auto-generated" and mail["Date"] and mail["Message-ID"]
    assert mail.get_content().split() == ["正文", "第二行"]


def test_a_server_whose_certificate_nobody_vouches_for_is_told_nothing(
    tmp_path: Path, identity: tuple[Path, ssl.SSLContext]
) -> None:
    with mail_server(identity[1], tls="starttls") as box, pytest.raises(MailRefused, match="TLS"):
        mailer(tmp_path, box.port).send("x", "x")
    assert box.mails == []


def test_a_server_without_tls_is_not_spoken_to_in_the_clear(tmp_path: Path) -> None:
    with mail_server() as box, pytest.raises(MailRefused, match="STARTTLS"):
        mailer(tmp_path, box.port).send("x", "x")
    assert box.mails == []


def test_a_wrong_password_and_a_refused_receiver_are_told_with_the_servers_words(
    tmp_path: Path, identity: tuple[Path, ssl.SSLContext]
) -> None:
    ca, context = identity
    (tmp_path / "password").write_text("wrong\n")
    with mail_server(context, tls="starttls", login=True) as box, pytest.raises(MailRefused, match="535"):
        mailer(tmp_path, box.port, ca=str(ca), user="gateway", password="file:password").send("x", "x")
    with mail_server(tls="none") as box:
        box.refused = {"li@example.cn": "550 no such user here"}
        with pytest.raises(MailRefused, match=r"li@example.cn: 550 no such user"):
            mailer(tmp_path, box.port, tls="none").send("x", "x")
    assert len(box.mails) == 1, "the other one has it"


def test_a_server_that_is_away_is_told_with_its_name(tmp_path: Path) -> None:
    with mail_server() as box:
        port = box.port
    with pytest.raises(MailRefused, match=HOST):
        mailer(tmp_path, port, tls="none").send("x", "x")


@pytest.mark.parametrize(
    ("more", "why"),
    [
        ({"tls": "none", "host": "mail.example.cn"}, "only for test environments"),
        ({"user": "gateway", "password": "secret"}, "must be a reference"),
        ({"password": "file:password"}, "no user"),
        ({"ca": "nowhere.pem"}, "nowhere.pem"),
    ],
)
def test_settings_that_cannot_be_used_are_refused(tmp_path: Path, more: dict[str, str], why: str) -> None:
    (tmp_path / "password").write_text("x")
    with pytest.raises(SettingsWrong, match=why):
        mailer(tmp_path, 25, **more)
