"""The site's facts: `HOME/tongguan.toml`."""

from __future__ import annotations

import difflib
import re
import tomllib
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, model_validator

from tongguan.gateway.kernel.errors import SettingsWrong

_SPANS = {
    "ms": 0.001,
    "s": 1,
    "m": 60,
    "h": 3600,
    "d": 86400,
    "y": 31_557_600,
    "day": 86400,
    "month": 2_629_800,
    "year": 31_557_600,
}
_SIZES = {"B": 1, "KB": 1000, "MB": 1000**2, "GB": 1000**3}


def span(value: Any) -> timedelta:
    """A duration as users write it: `15s`, `2h`, `1 month`."""
    if isinstance(value, timedelta):
        return value
    found = re.fullmatch(r"(\d+(?:\.\d+)?)\s*(ms|s|m|h|d|y|day|month|year)s?", str(value).strip())
    if not found:
        raise ValueError(f'{value!r} is no duration; write it like "15s", "2h", "5d"')
    return timedelta(seconds=float(found[1]) * _SPANS[found[2]])


def size(value: Any) -> int:
    """A size as users write it, in bytes: `4MB` (a thousand thousands), `200KB`."""
    if isinstance(value, int):
        return value
    found = re.fullmatch(r"(\d+(?:\.\d+)?)\s*(B|KB|MB|GB)", str(value).strip())
    if not found:
        raise ValueError(f'{value!r} is no size; write it like "4MB"')
    return int(float(found[1]) * _SIZES[found[2]])


Span = Annotated[timedelta, BeforeValidator(span)]
Size = Annotated[int, BeforeValidator(size)]


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)


class Gateway(_Part):
    environment: Literal["test", "production"]
    language: Literal["zh", "en"] = "zh"
    settle: Span = timedelta(seconds=2)
    ignored_after: Span = timedelta(minutes=10)
    most_bytes: Size = 32_000_000
    log: Literal["json", "text"] = "json"


class Database(_Part):
    url: str = "sqlite:///tongguan.db"


class Broker(_Part):
    url: str = ""


class Card(_Part):
    name: str = Field(pattern=r"^[a-z0-9-]{1,32}$")
    authority: str
    role: Literal["legal", "operator"] = "legal"
    kind: Literal["pkcs11", "software", "eport"] = "pkcs11"
    module: str = ""
    token: str = ""
    key: str = "sign"
    pin: str = ""
    certificate: str = ""
    bound: str = ""  #: card number that `tongguan card bind` read; empty: the first card seen is the one
    delay: Span = timedelta(0)  #: software kind only: each signature takes this long, as on a real key


class ActsFor(_Part):
    uscc: str
    customs_code: str = ""
    mofcom_code: str = ""
    title: str = ""
    powers: tuple[str, ...] = ()
    until: str = ""


class Subscribe(_Part):
    types: tuple[str, ...] = Field(min_length=1)
    phone: str = Field(pattern=r"^\+?[0-9]{5,15}$")
    receipts: tuple[str, ...] = ()


class Account(_Part):
    name: str = Field(pattern=r"^[a-z0-9-]{1,32}$")
    kind: Literal["enterprise", "broker"] = "enterprise"
    title: str
    uscc: str
    customs_code: str = ""
    mofcom_code: str = ""
    mailbox: str = ""
    answers: Literal["xml", "json", "both"] = "xml"
    language: Literal["zh", "en", ""] = ""
    card: tuple[Card, ...] = ()
    acts_for: tuple[ActsFor, ...] = ()
    defaults: dict[str, dict[str, str]] = {}
    operator: str = ""  #: who stands on statistics as 操作员; empty: the account's title
    subscribe: tuple[Subscribe, ...] = ()


class Route(_Part):
    environment: Literal["test", "production"]
    url: str
    certificates: tuple[str, ...]
    encrypt_to: str = ""  #: certificate of the authority that what is sent is encrypted to; empty: it goes clear
    secrets_to: str = ""  #: certificate that single secret values are encrypted to; empty: that of encrypt_to
    in_flight: int = Field(16, ge=1, le=1024)
    timeout: Span = timedelta(seconds=15)
    token: str = ""
    client_certificate: str = ""
    client_key: str = ""
    ca: str = ""


class Schedule(_Part):
    timezone: str = "Asia/Shanghai"
    receipts: Span = timedelta(seconds=30)
    merge: Literal["auto", "ask"] = "auto"
    merge_at: str = "02:00"
    declare_merged: Literal["ask", "auto"] = "ask"
    warn: Span = timedelta(days=5)
    least_wait: Span = timedelta(seconds=2)
    most_wait: Span = timedelta(hours=1)
    probe: Span = timedelta(seconds=5)


class Retention(_Part):
    bodies: Span = timedelta(days=3653)
    boxes: Span = timedelta(days=90)
    prints: Span = timedelta(days=30)


class Prints(_Part):
    font: str = ""
    timeout: Span = timedelta(seconds=60)
    most_memory: Size = 1_000_000_000


class Alerts(_Part):
    file: str = "alerts.jsonl"
    repeat: Span = timedelta(hours=4)


class Sms(_Part):
    kind: Literal["file", "http"] = "file"
    file: str = "sms.jsonl"
    url: str = ""
    token: str = ""
    timeout: Span = timedelta(seconds=15)
    sender: str = ""
    give_up: Span = timedelta(days=1)

    @model_validator(mode="after")
    def _whole(self) -> Sms:
        if self.kind == "http" and not self.url:
            raise ValueError('kind = "http" needs the provider\'s url')
        return self


class Settings(_Part):
    """Everything of `tongguan.toml`, checked; paths are relative to `home`."""

    home: Path
    gateway: Gateway
    database: Database = Database()
    broker: Broker = Broker()
    account: tuple[Account, ...] = ()
    route: dict[str, Route] = {}
    schedule: Schedule = Schedule()
    retention: Retention = Retention()
    prints: Prints = Prints()
    alerts: Alerts = Alerts()
    sms: Sms = Sms()

    @model_validator(mode="after")
    def _whole(self) -> Settings:
        names = [a.name for a in self.account]
        cards = [c.name for a in self.account for c in a.card]
        for what, given in (("account", names), ("card", cards)):
            twice = {n for n in given if given.count(n) > 1}
            if twice:
                raise ValueError(f"{what} name used twice: {', '.join(sorted(twice))}")
        for name, route in self.route.items():
            if route.environment != self.gateway.environment:
                raise ValueError(
                    f"route.{name}.environment is {route.environment!r} but gateway.environment is {self.gateway.environment!r}: "
                    "test and production never mix"
                )
        return self

    def path(self, relative: str) -> Path:
        return self.home / relative

    def mailbox(self, account: Account) -> Path:
        return self.home / (account.mailbox or f"mailboxes/{account.name}")


def read_settings(home: Path) -> Settings:
    """Read and check `home/tongguan.toml`; SettingsWrong names the key, the line's meaning and the nearest known key."""
    file = home / "tongguan.toml"
    try:
        given = tomllib.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise SettingsWrong(f"{file} does not exist; make a home with: tongguan init {home}") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as wrong:
        raise SettingsWrong(f"{file}: {wrong}") from None
    try:
        return Settings(home=home.resolve(), **given)
    except ValidationError as wrong:
        raise SettingsWrong("\n".join(f"{file}: {_explain(e)}" for e in wrong.errors())) from None
    except TypeError:
        raise SettingsWrong(f"{file}: unknown key 'home'") from None


def _explain(error: Any) -> str:
    place = ".".join(str(p) for p in error["loc"])
    if error["type"] == "extra_forbidden":
        near = difflib.get_close_matches(str(error["loc"][-1]), _known_keys(error["loc"][:-1]), n=1)
        return f"unknown key {place}" + (f"; did you mean {near[0]!r}?" if near else "")
    if error["type"] == "missing":
        return f"{place} is missing"
    return f"{place}: {error['msg']}".removeprefix(": ")


_PARTS: dict[str, type[_Part]] = {
    "gateway": Gateway,
    "database": Database,
    "broker": Broker,
    "account": Account,
    "card": Card,
    "acts_for": ActsFor,
    "route": Route,
    "schedule": Schedule,
    "retention": Retention,
    "prints": Prints,
    "alerts": Alerts,
    "subscribe": Subscribe,
    "sms": Sms,
}


def _known_keys(place: Sequence[Any]) -> list[str]:
    """The keys that may stand at a place: those of the last part on the way there."""
    parts = [_PARTS[name] for name in place if name in _PARTS]
    return sorted(parts[-1].model_fields if parts else Settings.model_fields.keys() - {"home"})
