"""The site's facts: `HOME/tongguan.toml`."""

from __future__ import annotations

import os
import re
import tomllib
from collections.abc import Callable, Iterator, Sequence
from datetime import timedelta
from functools import partial
from pathlib import Path
from shlex import quote
from typing import Annotated, Any, Literal, get_args
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationError,
    ValidationInfo,
    field_validator,
    model_validator,
)

from tongguan.gateway.model.alert_codes import ALERT_CODES
from tongguan.gateway.model.errors import SettingsWrong, each_of, in_both, in_language, nearest
from tongguan.gateway.settings_text import odd_values, what_is_no_toml
from tongguan.gateway.system.business_clock import MOST_SPEED
from tongguan.gateway.system.storage import files, permissions
from tongguan.gateway.system.threads import ANSWER, within

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
_LONGEST = timedelta(days=36525)  #: a hundred years: what is longer is no day any more, nor can a thread wait for it
_SIZES = {"B": 1, "KB": 1000, "MB": 1000**2, "GB": 1000**3}


def span(value: Any) -> timedelta:
    """A duration as users write it: `15s`, `2h`, `1 month`."""
    if isinstance(value, timedelta):
        return value
    found = re.fullmatch(r"(\d+(?:\.\d+)?)\s*(ms|s|m|h|d|y|day|month|year)s?", str(value).strip(), re.ASCII)
    if not found:
        raise ValueError(
            in_both(f'{value!r} 不是时长；写成 "15s"、"2h"、"5d"', f'{value!r} is no duration; write it like "15s", "2h", "5d"')
        )
    seconds = float(found[1]) * _SPANS[found[2]]
    if seconds > _LONGEST.total_seconds():
        raise ValueError(in_both(f'{value!r} 太长；最长 "100y"', f'{value!r} is too long; the longest is "100y"'))
    return timedelta(seconds=seconds)


def size(value: Any) -> int:
    """A size as users write it, in bytes: `4MB` (a thousand thousands), `200KB`."""
    if isinstance(value, int):
        return value
    found = re.fullmatch(r"(\d{1,12}(?:\.\d+)?)\s*(B|KB|MB|GB)", str(value).strip(), re.ASCII)
    if not found:
        raise ValueError(in_both(f'{value!r} 不是大小；写成 "4MB"', f'{value!r} is no size; write it like "4MB"'))
    return int(float(found[1]) * _SIZES[found[2]])


def _code(text: str) -> str:
    if not (text.isascii() and (text.isalnum() or not text)):
        raise ValueError(
            in_both(
                f"{text!r} 不是编码：只能是半角字母和数字", f"{text!r} is no code: it is made of plain letters and digits alone"
            )
        )
    return text


def _between(least: str, most: str) -> Callable[[Any], timedelta]:
    """A duration that is no shorter and no longer than that."""

    def checked(value: Any) -> timedelta:
        found = span(value)
        if not span(least) <= found <= span(most):
            zh, en = f"不在 {least} 至 {most} 之间", f"is not between {least} and {most}"
            raise ValueError(in_both(f"{value!r} {zh}", f"{value!r} {en}"))
        return found

    return checked


Span = Annotated[timedelta, BeforeValidator(span)]
#: of what is waited for: with none nothing is ever reached, or nothing is waited with at all
AnswerTime = Annotated[timedelta, BeforeValidator(_between("100ms", "1h"))]
Size = Annotated[int, BeforeValidator(size), Field(ge=1)]
EnterpriseCode = Annotated[str, AfterValidator(_code)]  #: by which an authority knows an enterprise
Fingerprint = Annotated[str, AfterValidator(lambda text: "".join(text.replace(":", "").split()).lower())]


BROKERS = ("amqp", "amqps", "redis", "rediss", "memory")  #: kinds of address; the last one in tests alone
#: these forget what was taken and not yet acknowledged, or what was being written (docs/decisions.md)
_LOSING = ("filesystem", "sqla", "sqlalchemy", "sqs", "mongodb", "zookeeper", "pyro", "slmq", "consul", "etcd")
#: of a home, and no enterprise's: no mailbox lies in one of the first, no alerts are written into one of the second
_OWN_FOLDERS = ("secrets", "cards", "tokens", "trust", "profiles", "tables", "simulators", "alert-forms")
_OWN_FILES = ("tongguan.toml", "running.toml", "anchor.jsonl", "clock.json", "daemon.lock", "daemon.sock", "softhsm2.conf")
DAYTIME = "([01][0-9]|2[0-3]):[0-5][0-9]"  #: a time of day
CALENDARS = ("merge",)  #: words of `[schedule]` that say whether something begins by itself, and when


def _zone(name: str) -> str:
    try:
        ZoneInfo(name)
    except (ValueError, OSError, ZoneInfoNotFoundError):
        raise ValueError(
            in_both(f"没有时区 {name}；写成 Asia/Shanghai", f"there is no time zone {name}; write Asia/Shanghai")
        ) from None
    return name


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)

    @field_validator("*", mode="before")
    @classmethod
    def _no_number_is_true(cls, value: object, given: ValidationInfo) -> object:
        if isinstance(value, bool) and cls.model_fields[given.field_name or ""].annotation is not bool:
            raise ValueError(in_both("不能是 true 或 false", "cannot be true or false"))
        return value


class Gateway(_Section):
    environment: Literal["test", "production"]
    language: Literal["zh", "en"] = "zh"
    settle: Span = timedelta(seconds=2)
    ignored_after: Span = timedelta(minutes=10)
    most_bytes: Size = 32_000_000
    most_waiting: int = Field(default=200_000, ge=1)  #: messages before they are sent, with which all doors pause
    log: Literal["json", "text"] = "json"

    def say(self, zh: str, en: str) -> str:
        """One text, in the gateway's own language."""
        return en if self.language == "en" else zh


class Database(_Section):
    url: str = "sqlite:///tongguan.db"

    @field_validator("url")
    @classmethod
    def _there(cls, url: str) -> str:
        if not url.startswith("sqlite:///") or url == "sqlite:///":
            kind = url.partition(":")[0]
            zh = f"本版本只支持 SQLite，写成 sqlite:///文件；还不支持 {kind}"
            raise ValueError(in_both(zh, f"only SQLite is there in this release, sqlite:///FILE; {kind} is not yet"))
        return url


class Broker(_Section):
    url: str = ""
    virtual_host: str = ""  #: empty: the address's own
    user: str = ""  #: empty: the address's own
    password: str = ""  #: `file:` or `env:`; empty: the address's own
    ca: str = ""
    certificate: str = ""
    key: str = ""
    prefetch: int = Field(default=512, ge=1, le=65_535)
    heartbeat: Annotated[timedelta, BeforeValidator(_between("1s", "1h"))] = timedelta(seconds=3)
    timeout: AnswerTime = timedelta(seconds=5)

    @model_validator(mode="after")
    def _loses_nothing(self) -> Broker:
        """Refuse transports over which a message can be lost."""
        if not self.url:
            return self
        kind = self.url.partition("://")[0].lower()
        if kind in _LOSING:
            zh = f"broker.url 的 {kind}:// 会丢失报文，不能用来提交：请用 amqp://（RabbitMQ），其次 redis://"
            en = f"broker.url: {kind}:// loses messages, nothing is submitted through it: use amqp:// (RabbitMQ), or redis://"
            raise ValueError(in_both(zh, en))
        if kind not in BROKERS:
            zh = f"broker.url 应以 {'、'.join(f'{each}://' for each in BROKERS)} 之一开头"
            en = f"broker.url must begin with one of {' '.join(f'{each}://' for each in BROKERS)}"
            raise ValueError(in_both(zh, en))
        return self


class Card(_Section):
    name: str = Field(pattern=r"^[a-z0-9-]{1,32}$")
    authority: str
    role: Literal["legal", "operator"] = "legal"
    kind: Literal["pkcs11", "software", "eport"] = "pkcs11"
    module: str = ""
    token: str = ""
    key: str = "sign"
    pin: str = ""
    certificate: str = ""
    bound: str = ""  #: card number that `tongguan card bind` read; empty: nothing is signed with this card
    fingerprint: Fingerprint = ""  #: SHA-256 of the bound certificate, from there too; empty: any certificate with that number
    delay: Span = timedelta(0)  #: software kind only: each signature takes this long, as on a real key

    @field_validator("kind")
    @classmethod
    def _there(cls, kind: str) -> str:
        if kind == "eport":
            zh, en = (
                "本版本还不支持；请用 pkcs11 和卡自带的库",
                "is not there yet in this release: use pkcs11 with the card's own library",
            )
            raise ValueError(in_both(f'"eport" {zh}', f'"eport" {en}'))
        return kind


class ActsFor(_Section):
    uscc: EnterpriseCode
    customs_code: EnterpriseCode = ""
    mofcom_code: EnterpriseCode = ""
    title: str = ""
    powers: tuple[str, ...] = ()
    until: str = Field("", pattern=r"^([0-9]{4}-[0-9]{2}-[0-9]{2})?$")


class Subscribe(_Section):
    types: tuple[str, ...] = Field(min_length=1)
    phone: str = Field(pattern=r"^\+?[0-9]{5,15}$")
    receipts: tuple[str, ...] = ()


class Account(_Section):
    name: str = Field(pattern=r"^[a-z0-9-]{1,32}$")
    kind: Literal["enterprise", "broker"] = "enterprise"
    title: str
    uscc: EnterpriseCode
    customs_code: EnterpriseCode = ""
    mofcom_code: EnterpriseCode = ""
    mailbox: str = ""
    group: str = ""  #: of the system, in which the ERP's user is: it may work in the mailbox
    answers: Literal["xml", "json", "both"] = "xml"
    language: Literal["zh", "en", ""] = ""
    card: tuple[Card, ...] = ()
    acts_for: tuple[ActsFor, ...] = ()
    defaults: dict[str, dict[str, str]] = {}
    operator: str = ""  #: who stands on statistics as 操作员; empty: the account's title
    subscribe: tuple[Subscribe, ...] = ()


class Route(_Section):
    environment: Literal["test", "production"]
    url: str
    certificates: tuple[str, ...]
    one_platform: bool = False  #: a platform signs for this authority and for others that say so too
    encrypt_to: str = ""  #: certificate of the authority that what is sent is encrypted to; empty: it goes clear
    secrets_to: str = ""  #: certificate that single secret values are encrypted to; empty: that of encrypt_to
    in_flight: int = Field(16, ge=1, le=1024)
    timeout: AnswerTime = timedelta(seconds=15)
    token: str = ""
    client_certificate: str = ""
    client_key: str = ""
    ca: str = ""


class Schedule(_Section):
    timezone: Annotated[str, AfterValidator(_zone)] = "Asia/Shanghai"
    receipts: Span = timedelta(seconds=30)
    merge: Literal["auto", "ask"] = "auto"
    merge_at: str = Field(default="02:00", pattern=f"^{DAYTIME}$")
    declare_merged: Literal["ask", "auto"] = "ask"
    warn: Span = timedelta(days=5)
    least_wait: Span = timedelta(seconds=2)
    most_wait: Span = timedelta(hours=1)
    probe: Annotated[timedelta, BeforeValidator(_between("100ms", "1d"))] = timedelta(seconds=5)

    @model_validator(mode="after")
    def _in_order(self) -> Schedule:
        if self.least_wait > self.most_wait:
            raise ValueError(in_both("least_wait 比 most_wait 长", "least_wait is longer than most_wait"))
        return self


class ClockSettings(_Section):
    speed: Annotated[int, Field(ge=1, le=MOST_SPEED)] = 1  #: milliseconds of business that pass in one of the machine


class Retention(_Section):
    bodies: Span = timedelta(days=3653)
    boxes: Span = timedelta(days=90)
    prints: Span = timedelta(days=30)
    alerts: Span = timedelta(days=366)


class Prints(_Section):
    font: str = ""
    timeout: AnswerTime = timedelta(seconds=60)
    most_memory: Size = 1_000_000_000


class _ToPeople(_Section):
    """What every way to people has."""

    name: str = Field(pattern=r"^[a-z0-9-]{1,32}$")
    codes: tuple[str, ...] = ()  #: alerts of these codes; empty: all
    quiet: str = Field("", pattern=f"^({DAYTIME}-{DAYTIME})?$")  #: China time
    urgent: tuple[str, ...] = ("disk", "mailbox", "settings", "station", "thread")  #: told in quiet hours, too
    timeout: AnswerTime = timedelta(seconds=15)

    @field_validator("codes", "urgent")
    @classmethod
    def _there_are(cls, codes: tuple[str, ...]) -> tuple[str, ...]:
        for code in codes:
            if code not in ALERT_CODES:
                zh, en = nearest(code, ALERT_CODES)
                raise ValueError(in_both(f"没有告警 {code!r}{zh}", f"there is no alert {code!r}{en}"))
        return codes


class AlertMail(_ToPeople):
    host: str
    port: int = Field(0, ge=0, le=65535)  #: 0: as `tls` has it: 587, 465 or 25
    tls: Literal["starttls", "tls", "none"] = "starttls"
    user: str = ""
    password: str = ""
    sender: str
    to: tuple[str, ...] = Field(min_length=1)
    ca: str = ""


class AlertWebhook(_ToPeople):
    url: str  #: may be a reference: with many robots the address is the secret
    form: str = "json"
    token: str = ""
    secret: str = ""  #: by which robots sign
    ca: str = ""


class AlertCommand(_ToPeople):
    run: tuple[str, ...] = Field(min_length=1)


class AlertSettings(_Section):
    file: str = "alerts.jsonl"
    repeat: Span = timedelta(hours=4)
    mail: tuple[AlertMail, ...] = ()
    webhook: tuple[AlertWebhook, ...] = ()
    command: tuple[AlertCommand, ...] = ()

    @property
    def channels(self) -> list[AlertMail | AlertWebhook | AlertCommand]:
        return [*self.mail, *self.webhook, *self.command]

    @model_validator(mode="after")
    def _apart(self) -> AlertSettings:
        names = [each.name for each in self.channels]
        if twice := sorted({name for name in names if names.count(name) > 1}):
            which = ", ".join(twice)
            raise ValueError(in_both(f"告警渠道名重复：{which}", f"alert channel name used twice: {which}"))
        return self


class Metrics(_Section):
    port: Annotated[int, Field(ge=0, le=65535)] = 0  #: on this machine alone; 0: none


class Sms(_Section):
    kind: Literal["file", "http"] = "file"
    file: str = "sms.jsonl"
    url: str = ""
    token: str = ""
    timeout: AnswerTime = timedelta(seconds=15)
    sender: str = ""
    give_up: Span = timedelta(days=1)

    @model_validator(mode="after")
    def _whole(self) -> Sms:
        if self.kind == "http" and not self.url:
            raise ValueError(in_both('kind = "http" 需要服务商的 url', 'kind = "http" needs the provider\'s url'))
        return self


class Settings(_Section):
    """Everything of `tongguan.toml`, checked; paths are relative to `home`."""

    home: Path
    gateway: Gateway
    database: Database = Database()
    broker: Broker = Broker()
    account: tuple[Account, ...] = ()
    route: dict[str, Route] = {}
    schedule: Schedule = Schedule()
    clock: ClockSettings = ClockSettings()
    retention: Retention = Retention()
    prints: Prints = Prints()
    alerts: AlertSettings = AlertSettings()
    metrics: Metrics = Metrics()
    sms: Sms = Sms()

    @field_validator("clock")
    @classmethod
    def _fast_in_tests_alone(cls, clock: ClockSettings, given: ValidationInfo) -> ClockSettings:
        gateway = given.data.get("gateway")
        if clock.speed != 1 and gateway is not None and gateway.environment != "test":
            zh, en = (
                "只有测试环境的业务时钟可以走得更快：删去 speed",
                "only in tests the business clock may run faster: take speed out",
            )
            raise ValueError(in_both(zh, en))
        return clock

    @field_validator("broker")
    @classmethod
    def _memory_in_tests_alone(cls, broker: Broker, given: ValidationInfo) -> Broker:
        gateway = given.data.get("gateway")
        if broker.url.lower().startswith("memory:") and gateway is not None and gateway.environment != "test":
            zh = "broker.url：memory:// 只用于测试环境，进程一结束报文就没有了：请用 amqp://（RabbitMQ）"
            en = "broker.url: memory:// is for tests alone, messages go with the process: use amqp:// (RabbitMQ)"
            raise ValueError(in_both(zh, en))
        return broker

    @field_validator("retention")
    @classmethod
    def _nothing_at_once(cls, retention: Retention, given: ValidationInfo) -> Retention:
        """0 would be at once, and is typed by who means never; a test may want it."""
        gateway = given.data.get("gateway")
        if gateway is not None and gateway.environment != "test" and (at_once := [k for k, kept in retention if not kept]):
            zh = f"retention.{at_once[0]}：0 会马上清除；要一直保留请写 100y"
            en = f"retention.{at_once[0]}: 0 would clear at once; to keep for good write 100y"
            raise ValueError(in_both(zh, en))
        return retention

    @model_validator(mode="after")
    def _whole(self) -> Settings:
        names = [a.name for a in self.account]
        for what, given in (("account", names), ("card", [card.name for card in self.cards])):
            twice = {n for n in given if given.count(n) > 1}
            if twice:
                which = ", ".join(sorted(twice))
                zh = {"account": "账户", "card": "卡"}[what]
                raise ValueError(in_both(f"{zh}名重复：{which}", f"{what} name used twice: {which}"))
        self._mailboxes_apart()
        self._lines_apart()
        for name, route in self.route.items():
            if not route.certificates:
                zh, en = "未指定证书，其回执都不会被采信", "names no certificate: none of its receipts would be believed"
                raise ValueError(in_both(f"route.{name}.certificates {zh}", f"route.{name}.certificates {en}"))
            if route.environment != self.gateway.environment:
                its, ours = route.environment, self.gateway.environment
                zh = f"route.{name}.environment 是 {its!r}，而 gateway.environment 是 {ours!r}：测试与生产不能混用"
                en = f"route.{name}.environment is {its!r} but gateway.environment is {ours!r}: test and production never mix"
                raise ValueError(in_both(zh, en))
        return self

    def _mailboxes_apart(self) -> None:
        """No account may reach into another's mailbox, or the home, through its own."""
        told = {a.name: self.mailbox(a) for a in self.account}
        found = within(ANSWER, {place: partial(_real, place) for place in told.values()})
        places = {name: found.get(place, place) for name, place in told.items()}
        for name, place in places.items():
            if self.home.is_relative_to(place):
                zh = f"账户 {name} 的信箱 {place} 包含本主目录：请给它单独的文件夹"
                en = f"the mailbox of account {name!r} is {place}, which holds this home: give it a folder of its own"
                raise ValueError(in_both(zh, en))
            if inside := next((own for own in _OWN_FOLDERS if place.is_relative_to(self.home / own)), None):
                zh = f"账户 {name} 的信箱 {place} 在主目录的 {inside}/ 里，那是网关自己的：请给它单独的文件夹"
                en = f"the mailbox of account {name!r} is {place}, in {inside}/ of the home, which is the gateway's own"
                raise ValueError(in_both(zh, f"{en}: give it a folder of its own"))
            for other, its in places.items():
                if other != name and place.is_relative_to(its):
                    zh = f"账户 {name} 的信箱 {place} 在账户 {other} 的信箱里：请给它单独的文件夹"
                    en = f"the mailbox of account {name!r} is {place}, which lies in the mailbox of account {other!r}"
                    raise ValueError(in_both(zh, f"{en}: give it a folder of its own"))

    def _lines_apart(self) -> None:
        """What lines are added to, and old ones taken out of, is none of the gateway's other files."""
        database = self.database.url.removeprefix("sqlite:///")
        taken = [*_OWN_FILES, *(database + part for part in ("", "-wal", "-shm", "-journal"))]
        known = {os.path.realpath(self.home / name): name for name in taken}
        for key, file in (("alerts.file", self.alerts.file), ("sms.file", self.sms.file)):
            if (name := known.setdefault(os.path.realpath(self.home / file), key)) != key:
                zh, en = f"{key}：{file} 已用作 {name}，请换一个文件名", f"{key}: {file} is {name} already; name another file"
                raise ValueError(in_both(zh, en))

    @property
    def cards(self) -> list[Card]:
        """Every card of every account."""
        return [card for account in self.account for card in account.card]

    def path(self, relative: str) -> Path:
        return self.home / relative

    def own_certificates(self) -> Iterator[tuple[str, Path]]:
        """Those that we show to servers: by which setting, and where."""
        for name, route in self.route.items():
            if route.client_certificate:
                yield f"route.{name}.client_certificate", self.path(route.client_certificate)
        if self.broker.certificate:
            yield "broker.certificate", self.path(self.broker.certificate)

    def mailbox(self, account: Account) -> Path:
        return self.home / (account.mailbox or f"mailboxes/{account.name}")


def _real(place: Path) -> Path:
    """Where it is in truth; of links that lead round in a circle, what they end at: `Path.resolve` fails over them."""
    return Path(os.path.realpath(place))


FILE = "tongguan.toml"
RUNNING = "running.toml"  #: what the gateway runs with, or ran with last, as it read it: the gateway writes it


def read_settings(home: Path, *, file: str = FILE) -> Settings:
    """Read and check `home/tongguan.toml`; SettingsWrong names the key, the line's meaning and the nearest known key."""
    return settings_of(read_raw(home, file=file), home, file=file)


def read_raw(home: Path, *, file: str = FILE) -> bytes:
    """The settings as they lie there; SettingsWrong when they cannot be read."""
    try:
        return files.read(home / file)
    except FileNotFoundError:
        raise _no_home(home) from None
    except IsADirectoryError:
        raise SettingsWrong(
            f"{home / file} 是文件夹；请换成设置文件", f"{home / file} is a folder; put the file of settings in its place"
        ) from None
    except files.NotAFile:
        raise
    except OSError as wrong:
        said, (zh, en) = f"{home / file}: {wrong.strerror}", permissions.closed(home / file)
        raise SettingsWrong(f"{said}；{zh}", f"{said}; {en}") from None


def _decoded(raw: bytes, path: Path) -> str:
    """As UTF-8; SettingsWrong says what an editor made of it instead."""
    if raw.startswith((b"\xef\xbb\xbf", b"\xff\xfe", b"\xfe\xff")):
        name = "UTF-8" if raw.startswith(b"\xef") else "UTF-16"
        raise SettingsWrong(
            f"{path}：以带 BOM 的 {name} 保存（如记事本）；请另存为不带 BOM 的 UTF-8",
            f"{path}: it was saved as {name} with a byte order mark, as Notepad does; save it as UTF-8 without BOM",
        )
    try:
        return raw.decode()
    except UnicodeDecodeError as wrong:
        line = raw.count(b"\n", 0, wrong.start) + 1
        try:
            raw.decode("gb18030")
        except UnicodeDecodeError:
            raise SettingsWrong(
                f"{path}：第 {line} 行不是 UTF-8；请另存为 UTF-8", f"{path}: line {line} is no UTF-8; save it as UTF-8"
            ) from None
        raise SettingsWrong(
            f"{path}：第 {line} 行不是 UTF-8，像是 GBK（记事本的 ANSI）；请另存为不带 BOM 的 UTF-8",
            f"{path}: line {line} is no UTF-8 but looks like GBK (Notepad's ANSI); save it as UTF-8 without BOM",
        ) from None


def settings_of(raw: bytes, home: Path, *, file: str = FILE) -> Settings:
    """Settings as they were read, checked."""
    file_ = home / file
    text = _decoded(raw, file_)
    try:
        given = tomllib.loads(text)
    except tomllib.TOMLDecodeError as wrong:
        zh, en = what_is_no_toml(text, str(wrong))
        raise SettingsWrong(f"{file_}：不是正确的 TOML：{zh}", f"{file_}: it is no TOML: {en}") from None
    if odd := [*odd_values(given)]:
        raise SettingsWrong(*("\n".join(f"{file_}: {in_language(each, told_in)}" for each in odd) for told_in in ("zh", "en")))
    try:
        return Settings(home=home.resolve(), **given)
    except ValidationError as wrong:
        told = [_explain(error) for error in wrong.errors()]
        raise SettingsWrong(
            *("\n".join(f"{file_}: {in_language(each, told_in)}" for each in told) for told_in in ("zh", "en"))
        ) from None
    except TypeError:
        raise SettingsWrong(f"{file_}：没有 'home' 这个键", f"{file_}: unknown key 'home'") from None


def _no_home(home: Path) -> SettingsWrong:
    """There are no settings: which home is meant; a new one is made only where there is room for one."""
    file, new = home.absolute() / "tongguan.toml", not home.exists() or not any(home.iterdir())
    make = f"tongguan init {quote(str(home.absolute()))}"
    return SettingsWrong(
        f"没有 {file}；用 --home 或环境变量 TONGGUAN_HOME 指明主目录" + (f"，或新建：{make}" if new else ""),
        f"{file} does not exist; say with --home or TONGGUAN_HOME which home is meant"
        + (f", or make one: {make}" if new else ""),
    )


def as_far_as_readable(home: Path) -> Settings:
    """Wrong settings without what is wrong with them, to look at a gateway that still runs with those it began with.

    Those are kept beside them. Where nobody kept them and the wrong ones name no account, the folders of mailboxes do.
    """
    try:
        return read_settings(home, file=RUNNING)
    except SettingsWrong:
        pass  # never ran, or an earlier version's
    try:
        given = tomllib.loads(files.plain(home / FILE).read_text("utf-8"))
    except (OSError, ValueError):
        given = {}
    given.pop("home", None)
    if "account" not in given:
        folders = sorted(folder.name for folder in home.glob("mailboxes/*") if folder.is_dir())
        given["account"] = [{"name": name, "title": "", "uscc": ""} for name in folders]
    while True:
        try:
            return Settings(home=home.resolve(), **given)
        except ValidationError as wrong:
            _leave_out(given, wrong.errors()[0]["loc"])


def _leave_out(given: dict[str, Any], place: Sequence[Any]) -> None:
    """Take the least away that is wrong at a place; each call leaves less."""
    match place:
        case ("gateway", *_):
            given["gateway"] = {"environment": "test"}
        case ("account", int(n), "title" | "uscc" as name, *_):
            given["account"][n][name] = ""
        case ("account", int(n), str(name), *_) if name != "name":
            del given["account"][n][name]
        case ("account", int(n), *_):
            del given["account"][n]
        case ("route", str(name), *_):
            del given["route"][name]
        case (str(name), *_):
            del given[name]
        case _:  # what does not fit together
            given.pop("route" if "route" in given else "account")


def _is_gbk(raw: bytes) -> bool:
    try:
        raw.decode()
    except UnicodeDecodeError:
        return True
    return False


def language_of(home: Path) -> str:
    """The language that a home's settings name, be they otherwise as wrong as they like; Chinese where they name none."""
    try:
        raw = files.read(home / FILE)
        given = tomllib.loads(
            raw.decode("utf-8-sig" if raw.startswith(b"\xef\xbb\xbf") else "gb18030" if _is_gbk(raw) else "utf-8")
        )
        return "en" if given["gateway"]["language"] == "en" else "zh"
    except (OSError, ValueError, LookupError, TypeError):
        return "zh"


#: what pydantic finds wrong with a value; what is not here is told with its place only
_NUMBER, _FLAG = ("应为整数", "must be a whole number"), ("应为 true 或 false", "must be true or false")
_LIST, _TABLE = ("应为列表 [ … ]", "must be a list [ … ]"), ("应为一组键和值", "must be a table of keys and values")
_FOUND = {
    "string_type": ("应为文字", "must be a text"),
    "string_pattern_mismatch": ("应符合 {pattern}", "must match {pattern}"),
    "literal_error": ("只能是 {expected}", "must be {expected}"),
    "greater_than_equal": ("不能小于 {ge}", "must not be less than {ge}"),
    "less_than_equal": ("不能大于 {le}", "must not be more than {le}"),
    "too_short": ("至少要有 {min_length} 项", "needs at least {min_length}"),
    **dict.fromkeys(("int_type", "int_parsing", "int_from_float", "int_parsing_size"), _NUMBER),
    **dict.fromkeys(("bool_type", "bool_parsing"), _FLAG),
    **dict.fromkeys(("tuple_type", "list_type"), _LIST),
    **dict.fromkeys(("dict_type", "model_type", "model_attributes_type"), _TABLE),
}


def _explain(error: Any) -> str:
    """What pydantic found, in both languages."""
    place = ".".join(str(p) for p in error["loc"])
    if error["type"] == "extra_forbidden":
        zh, en = nearest(str(error["loc"][-1]), _known_keys(error["loc"][:-1]))
        return in_both(f"没有 {place} 这个键{zh}", f"unknown key {place}{en}")
    if error["type"] == "missing":
        return in_both(f"缺少 {place}", f"{place} is missing")
    facts = {name: str(value) for name, value in error.get("ctx", {}).items()}
    zh, en = each_of(facts["error"]) if "error" in facts else ("这个值不能用", error["msg"])
    if error["type"] in _FOUND:
        zh, en = (said.format_map(facts) for said in _FOUND[error["type"]])
        zh = zh.replace("' or '", "' 或 '")
    return in_both(*(f"{place}: {said}".removeprefix(": ") for said in (zh, en)))


def _known_keys(place: Sequence[Any]) -> list[str]:
    """The keys that may stand at a place: those of the last part on the way there."""
    part: type[_Section] = Settings
    for name in place:
        inner = part.model_fields[name].annotation if name in part.model_fields else None
        part = next((each for each in (inner, *get_args(inner)) if isinstance(each, type) and issubclass(each, _Section)), part)
    return sorted(part.model_fields.keys() - {"home"})


def own_files(settings: Settings) -> list[Path]:
    """The gateway's own files that the settings name: they may lie outside of the home."""
    url = settings.database.url
    database = [settings.home / url.removeprefix("sqlite:///")] if url.startswith("sqlite:///") else []
    return [*database, settings.path(settings.alerts.file), settings.path(settings.sms.file)]
