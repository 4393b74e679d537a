"""Alerts are posted to a real web server in the forms that robots take, signed as they want it."""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Iterator
from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest
from receivers import WebReceiver, server_certificate, web_server

from tongguan.gateway.model.errors import SettingsWrong
from tongguan.gateway.settings import AlertWebhook
from tongguan.routes.alert_webhook import WebhookReceiver, WebhookRefused
from tongguan.routes.event_loop import EventLoop

pytestmark = pytest.mark.requirement("GW-08")
FORMS = Path(str(files("tongguan.outbox") / "alert_forms"))
WORDS = {"subject": "告警 card", "text": "卡不在读卡器中", "alerts": [{"code": "card"}]}


@pytest.fixture
def wire() -> Iterator[EventLoop]:
    with EventLoop() as made:
        yield made


@pytest.fixture
def server() -> Iterator[WebReceiver]:
    with web_server() as made:
        yield made


def receiver(home: Path, wire: EventLoop, url: str, environment: str = "production", **more: Any) -> WebhookReceiver:
    settings = AlertWebhook.model_validate({"name": "duty", "url": url, "timeout": "5s", **more})
    return WebhookReceiver(settings, environment, home, wire, [home / "alert-forms", FORMS])


def test_a_program_gets_every_alert(tmp_path: Path, wire: EventLoop, server: WebReceiver) -> None:
    (tmp_path / "token").write_text("t0ken\n")
    receiver(tmp_path, wire, server.url, token="file:token").post(WORDS, key="1")

    (post,) = server.posts
    assert post.body == {"schema": 1, **WORDS}
    assert (post.headers["Authorization"], post.headers["Idempotency-Key"]) == ("Bearer t0ken", "1")


def test_dingtalk_is_signed_in_the_address(tmp_path: Path, wire: EventLoop, server: WebReceiver) -> None:
    (tmp_path / "url").write_text(f"{server.url}?access_token=abc\n")
    (tmp_path / "secret").write_text("SEC0123\n")
    server.answer = {"errcode": 0, "errmsg": "ok"}
    receiver(tmp_path, wire, "file:url", form="dingtalk", secret="file:secret").post(WORDS, key="1")

    (post,) = server.posts
    assert post.body == {"msgtype": "text", "text": {"content": WORDS["text"]}}
    text = f"{post.query['timestamp']}\nSEC0123".encode()
    assert len(post.query["timestamp"]) == 13 and post.query["access_token"] == "abc"
    assert post.query["sign"] == base64.b64encode(hmac.new(b"SEC0123", text, hashlib.sha256).digest()).decode()


def test_feishu_is_signed_in_the_body(tmp_path: Path, wire: EventLoop, server: WebReceiver) -> None:
    (tmp_path / "secret").write_text("SEC0123\n")
    server.answer = {"code": 0, "msg": "success"}
    receiver(tmp_path, wire, server.url, form="feishu", secret="file:secret").post(WORDS, key="1")

    body = server.posts[0].body
    key = f"{body['timestamp']}\nSEC0123".encode()
    assert len(body["timestamp"]) == 10
    assert body["sign"] == base64.b64encode(hmac.new(key, b"", hashlib.sha256).digest()).decode()
    assert (body["msg_type"], body["content"]) == ("text", {"text": WORDS["text"]})


def test_wecom_takes_so_much_and_no_more(tmp_path: Path, wire: EventLoop, server: WebReceiver) -> None:
    server.answer = {"errcode": 0}
    receiver(tmp_path, wire, server.url, form="wecom").post({**WORDS, "text": "卡" * 1000}, key="1")

    content = server.posts[0].body["text"]["content"]
    assert len(content.encode()) <= 2048 and content.endswith("卡…")


@pytest.mark.parametrize("form", ["dingtalk", "feishu", "wecom"])
def test_a_robot_that_says_no_with_200_has_not_taken_it(tmp_path: Path, wire: EventLoop, server: WebReceiver, form: str) -> None:
    server.answer = {"errcode": 310000, "code": 19021, "errmsg": "sign not match"}
    with pytest.raises(WebhookRefused, match="sign not match"):
        receiver(tmp_path, wire, server.url, form=form).post(WORDS, key="1")


def test_neither_has_one_that_answers_with_an_error_or_is_away(tmp_path: Path, wire: EventLoop, server: WebReceiver) -> None:
    server.status = 502
    with pytest.raises(WebhookRefused, match="502"):
        receiver(tmp_path, wire, server.url).post(WORDS, key="1")
    with web_server() as gone:
        url = gone.url
    with pytest.raises(WebhookRefused):
        receiver(tmp_path, wire, f"{url}?access_token=abc").post(WORDS, key="1")


def test_the_servers_certificate_is_checked(tmp_path: Path, wire: EventLoop) -> None:
    ca, context = server_certificate(tmp_path)
    with web_server(context) as server:
        url = server.url.replace("http:", "https:")
        with pytest.raises(WebhookRefused):
            receiver(tmp_path, wire, url).post(WORDS, key="1")
        receiver(tmp_path, wire, url, ca=str(ca)).post(WORDS, key="1")
    assert len(server.posts) == 1


def test_a_home_has_forms_of_its_own(tmp_path: Path, wire: EventLoop, server: WebReceiver) -> None:
    (tmp_path / "alert-forms").mkdir()
    (tmp_path / "alert-forms" / "pager.toml").write_text('[body]\nto = ["duty"]\nline = "{subject}: {text}"\nn = 1\n')
    receiver(tmp_path, wire, server.url, form="pager").post(WORDS, key="1")

    assert server.posts[0].body == {"to": ["duty"], "line": "告警 card: 卡不在读卡器中", "n": 1}


@pytest.mark.parametrize(
    ("more", "why"),
    [
        ({"form": "dingtlak"}, "dingtalk"),
        ({"url": "http://hook.example.cn/x"}, "https"),
        ({"url": "no address"}, "is no address"),
        ({"url": "https://hook.example.cn:0/x"}, "is no address"),
        ({"url": "https://hook.example.cn:８４４３/x"}, "is no address"),
        ({"secret": "file:secret"}, "does not sign"),
        ({"form": "dingtalk", "secret": "SEC0123"}, "must be a reference"),
        ({"form": "broken"}, "broken.toml"),
    ],
)
def test_settings_that_cannot_be_used_are_refused(tmp_path: Path, wire: EventLoop, more: dict[str, str], why: str) -> None:
    (tmp_path / "secret").write_text("x")
    (tmp_path / "alert-forms").mkdir()
    (tmp_path / "alert-forms" / "broken.toml").write_text("[sign]\n")
    with pytest.raises(SettingsWrong, match=why) as told:
        receiver(tmp_path, wire, more.pop("url", "https://hook.example.cn/x?access_token=abc"), **more)
    assert "abc" not in str(told.value)


def test_what_is_shown_of_an_address_that_does_not_answer_is_not_its_secret(tmp_path: Path, wire: EventLoop) -> None:
    with web_server() as gone:
        url = gone.url
    with pytest.raises(WebhookRefused) as told:
        receiver(tmp_path, wire, f"{url}?access_token=abc").post(WORDS, key="1")
    assert "abc" not in str(told.value)
