"""Make a production home: settings, mailbox and folders, and nothing that was made for tests.

What only the enterprise and the authorities have (cards, PINs, certificates) is not invented: `tongguan doctor` names what is missing.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from tongguan.codecs.checking.named_checks import uscc_is_right
from tongguan.gateway.daemon.start_checks import sample
from tongguan.gateway.home.home import FOLDERS, SETTINGS, made_whole
from tongguan.gateway.model.errors import SettingsWrong
from tongguan.gateway.settings import Route
from tongguan.routes import trust


@dataclass(frozen=True)
class Question:
    """One thing to know of the enterprise; `wrong` gives, in Chinese and English, what is wrong with an answer, or None."""

    name: str
    zh: str
    en: str
    wrong: Callable[[str], tuple[str, str] | None]
    needed: bool = True

    @property
    def flag(self) -> str:
        return "--" + self.name.replace("_", "-")


def _fit(fits: Callable[[str], object], zh: str, en: str, *samples: str) -> Callable[[str], tuple[str, str] | None]:
    def wrong(value: str) -> tuple[str, str] | None:
        if value in samples:
            return "这是示例企业的", "that is the sample enterprise's"
        return None if fits(value) else (zh, en)

    return wrong


def _shaped(pattern: str, zh: str, en: str, *samples: str) -> Callable[[str], tuple[str, str] | None]:
    return _fit(re.compile(pattern).fullmatch, zh, en, *samples)


def _url(value: str) -> tuple[str, str] | None:
    route = Route.model_validate({"environment": "production", "url": value, "certificates": ()})
    try:
        trust.address("of this authority", route)
    except SettingsWrong:
        return (
            "应为 https:// 开头的地址，不带用户名和参数",
            "an address like https://customs.example/gateway, without user or query",
        )
    return None


QUESTIONS = (
    Question("account", "账户名（信箱目录名）", "account name (its mailbox folder)",
             _shaped(r"[a-z0-9-]{1,32}", "用小写字母、数字和连字符，最多 32 位", "up to 32 of a-z, 0-9 and -")),
    Question("title", "企业名称", "title of the enterprise",
             _shaped(r"[^\x00-\x1f\x7f]*\S[^\x00-\x1f\x7f]*", "不能为空", "it must not be empty", sample.TITLE)),
    Question("uscc", "统一社会信用代码", "unified social credit code",
             _fit(uscc_is_right, "应为 18 位，且校验码相符", "it has 18 signs, and its check character must be right", sample.USCC)),
    Question("customs_code", "海关 10 位编码", "customs code of 10 signs",
             _shaped(r"[0-9A-Z]{10}", "应为 10 位", "it has 10 signs", sample.CODES["customs"])),
    Question("mofcom_code", "商务部 13 位企业代码", "MOFCOM's code of 13 signs",
             _shaped(r"[0-9A-Z]{13}", "应为 13 位", "it has 13 signs", sample.CODES["mofcom"])),
    Question("mofcom_url", "商务部通道地址", "address of MOFCOM's endpoint", _url),
    Question("customs_url", "海关通道地址", "address of customs' endpoint", _url),
    Question("ministries_url", "其他部委通道地址（可空）", "address of the other ministries' endpoint (may be empty)", _url, needed=False),
    Question("module", "卡的 PKCS#11 库（可空）", "the cards' PKCS#11 library (may be empty)",
             _shaped(r"[^\x00-\x1f\x7f]+", "应为文件名或路径", "a file name or a path"), needed=False),
)  # fmt: skip

_HEAD = """\
# {title}：生产环境。 The settings of this production home; every key and its meaning: docs. What is missing: tongguan doctor
[gateway]
environment = "production"
language = "{language}"

[[account]]
name = {account}
kind = "enterprise"
title = {title_}
uscc = {uscc}
customs_code = {customs_code}
mofcom_code = {mofcom_code}
mailbox = {mailbox}
answers = "xml"
"""
_CARD = """
[[account.card]]
name = "{authority}-card"
authority = "{authority}"
role = "legal"                     # legal | operator
kind = "pkcs11"
module = {module}
token = ""                         # its label, where several are in the readers
key = "sign"                       # label of key and certificate in the card
pin = "file:secrets/{authority}.pin"    # or env:NAME, or prompt
bound = ""                         # tongguan card bind {authority}-card
"""
_ROUTE = """
[route.{authority}]
environment = "production"
url = {url}
certificates = ["trust/{authority}.pem"]      # whose receipts we believe
# encrypt_to = "trust/{authority}-encryption.pem"
# secrets_to = "trust/{authority}-encryption.pem"
# token = "file:secrets/{authority}.token"
"""


def make_production_home(home: Path, answers: Mapping[str, str], *, language: str = "zh") -> None:
    """Make it in a new (or empty) folder, whole or not at all; the answers have been found right. SettingsWrong when there is one."""

    def fill(part: Path) -> None:
        for folder in FOLDERS:
            (part / "mailboxes" / answers["account"] / folder).mkdir(parents=True)
        for folder in ("secrets", f"secrets/{answers['account']}"):
            (part / folder).mkdir(mode=0o700)
        (part / "trust").mkdir()
        (part / SETTINGS).touch(mode=0o640)
        (part / SETTINGS).write_text(_settings(answers, language), "utf-8")

    made_whole(home, fill)


def _settings(answers: Mapping[str, str], language: str) -> str:
    quoted = {name: json.dumps(value, ensure_ascii=False) for name, value in answers.items()}
    mailbox = json.dumps(f"mailboxes/{answers['account']}")
    head = _HEAD.format(**{**quoted, "title": answers["title"], "title_": quoted["title"]}, language=language, mailbox=mailbox)
    cards = [_CARD.format(authority=name, module=quoted.get("module", '""')) for name in ("mofcom", "customs")]
    urls = {name: quoted[f"{name}_url"] for name in ("mofcom", "customs", "ministries") if answers.get(f"{name}_url")}
    return "".join([head, *cards, *(_ROUTE.format(authority=name, url=url) for name, url in urls.items())])
