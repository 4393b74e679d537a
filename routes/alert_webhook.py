"""Alerts by a webhook: one POST of JSON in a form that is data, signed as the form says."""

from __future__ import annotations

import base64
import hashlib
import hmac
import tomllib
from collections.abc import Mapping
from concurrent.futures import CancelledError
from pathlib import Path
from typing import Any, Literal

import orjson
from pydantic import BaseModel, ConfigDict, ValidationError

from tongguan.gateway.model.errors import SettingsWrong, StationBroken, in_both, nearest
from tongguan.gateway.settings import AlertWebhook
from tongguan.gateway.system import clock
from tongguan.gateway.system.storage import files
from tongguan.routes import trust
from tongguan.routes.event_loop import EventLoop
from tongguan.routes.http_session import NO_ANSWER, Connections, reason

_MOST_ANSWER = 100_000
_EXTRA_SECONDS = 5.0


class WebhookRefused(Exception):
    """The receiver does not take it; the text, as `in_both` makes it, says why."""


class FormSignature(BaseModel):
    """How a robot wants to see that we know its secret: HMAC-SHA256 of `message` by `key`, in base64, beside the `timestamp`."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    into: Literal["query", "body"]
    unit: Literal["s", "ms"]
    key: str
    message: str


class AlertForm(BaseModel):
    """What a receiver takes: `{text}`, `{subject}` and `{alerts}` stand in the body where they go; `ok`: what its answer must say."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    body: dict[str, Any]
    ok: dict[str, Any] = {}
    most_bytes: int = 0  #: of the text; 0: as many as there are
    sign: FormSignature | None = None


def read_form(name: str, folders: list[Path]) -> AlertForm:
    """The form of a name, from the first folder that has it; SettingsWrong when none has, or when it is none."""
    found = next((path for folder in folders if (path := folder / f"{name}.toml").is_file()), None)
    if found is None:
        known = sorted(path.stem for folder in folders if folder.is_dir() for path in folder.glob("*.toml"))
        zh, en = nearest(name, known)
        raise SettingsWrong(
            f"没有告警格式 {name}{zh}；可用：{' '.join(known)}", f"no alert form {name}{en}; there are {' '.join(known)}"
        )
    try:
        return AlertForm.model_validate(tomllib.loads(files.plain(found).read_text("utf-8")))
    except (OSError, ValueError, ValidationError) as wrong:
        raise SettingsWrong(f"{found}：{wrong}", f"{found}: {wrong}") from None


class WebhookReceiver:
    """Where alerts are posted; SettingsWrong for settings that cannot be used."""

    def __init__(self, settings: AlertWebhook, environment: str, home: Path, wire: EventLoop, forms: list[Path]) -> None:
        where = f"alerts.webhook.{settings.name}"
        self._form = read_form(settings.form, forms)
        self._url = trust.webhook_address(f"{where}.url", settings.url, environment, home)
        self._secret = trust.secret(f"{where}.secret", settings.secret, home)
        if self._secret and self._form.sign is None:
            raise SettingsWrong(
                f"{where}.secret：格式 {settings.form} 不签名", f"{where}.secret: the form {settings.form} does not sign"
            )
        self._seconds = settings.timeout.total_seconds()
        tls = trust.client_tls(f"{where}.ca", settings.ca, home) if self._url.scheme == "https" else None
        token = trust.secret(f"{where}.token", settings.token, home)
        self._connections = Connections(tls=tls, token=token, timeout_seconds=self._seconds)
        self._wire = wire
        wire.at_stop(self._connections.close)

    def post(self, words: Mapping[str, Any], *, key: str) -> None:
        """Post one message made of these words; WebhookRefused when it is not taken."""
        text = _cut(str(words["text"]), self._form.most_bytes)
        body = _filled(self._form.body, {**words, "text": text})
        url = self._url
        if self._secret and self._form.sign is not None:
            signed = _signed(self._form.sign, self._secret, clock.now_ms())
            url, body = (url.update_query(signed), body) if self._form.sign.into == "query" else (url, {**signed, **body})
        try:
            posted = self._connections.post_json(url, orjson.dumps(body), key=key, most=_MOST_ANSWER)
            answer = self._wire.call(posted).result(timeout=self._seconds + _EXTRA_SECONDS)
        except NO_ANSWER as trouble:
            raise WebhookRefused(reason(trouble)) from None
        except (CancelledError, StationBroken):
            raise WebhookRefused(in_both("网络线程已停止", "the wire is stopped")) from None
        if not 200 <= answer.status < 300:
            raise WebhookRefused(in_both(f"应答 {answer.status}", f"answered {answer.status}"))
        self._look_at(answer.body)

    def _look_at(self, raw: bytes) -> None:
        """Robots say no with 200."""
        if not self._form.ok:
            return
        try:
            said = orjson.loads(raw)
            fits = all(said.get(name) == value for name, value in self._form.ok.items())
        except (ValueError, AttributeError):
            fits = False
        if not fits:
            told = raw[:300].decode("utf-8", "replace")
            raise WebhookRefused(in_both(f"没有接受：{told}", f"not taken: {told}"))


def _filled(part: Any, words: Mapping[str, Any]) -> Any:
    """The form with the words in their places; a text that is nothing but a place becomes what stands for it."""
    if isinstance(part, dict):
        return {name: _filled(each, words) for name, each in part.items()}
    if isinstance(part, list):
        return [_filled(each, words) for each in part]
    if not isinstance(part, str):
        return part
    for name, value in words.items():
        if part == f"{{{name}}}":
            return value
        part = part.replace(f"{{{name}}}", str(value)) if isinstance(value, str) else part
    return part


def _cut(text: str, most: int) -> str:
    raw = text.encode()
    return text if not most or len(raw) <= most else raw[: most - 3].decode("utf-8", "ignore") + "…"


def _signed(sign: FormSignature, secret: str, now_ms: int) -> dict[str, str]:
    timestamp = str(now_ms if sign.unit == "ms" else now_ms // 1000)
    key, message = (each.replace("{timestamp}", timestamp).replace("{secret}", secret) for each in (sign.key, sign.message))
    made = base64.b64encode(hmac.new(key.encode(), message.encode(), hashlib.sha256).digest()).decode()
    return {"timestamp": timestamp, "sign": made}
