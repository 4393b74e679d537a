"""What a production home must not have: test material, and secrets that others can read.

Promises: everything that is wrong is named at once; no PIN is used, and a card that does not answer holds nothing up for long.
Test material is known by the marks that it was given when it was made (`signer/certificate.py`, `sample.py`), not by where it is.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

from cryptography import x509

from tongguan.gateway.daemon.start_checks import sample
from tongguan.gateway.daemon.start_checks.secrets_check import Concern, certificate_files, secret_files, secrets_of
from tongguan.gateway.daemon.start_checks.secrets_check import concerns as secrets_told
from tongguan.gateway.model.errors import SettingsWrong
from tongguan.gateway.settings import Account, Card, Settings
from tongguan.gateway.system.business_clock import FILE
from tongguan.gateway.system.storage import files
from tongguan.signer.cards.card import open_card
from tongguan.signer.certificate import is_test_material
from tongguan.signer.certificate_file import certificates_in
from tongguan.signer.errors import CardBroken

_SIMULATORS = "simulators/simulators.toml"
_LOOK_SECONDS = 5.0


def refuse_test_material(settings: Settings) -> None:
    """Raise SettingsWrong, with every fault, when this is a production home that must not start so."""
    if settings.gateway.environment != "production":
        return
    found = [each for each in (*made_for_tests(settings), *secrets_told(settings)) if each.grave]
    if found:
        en = [f"production refuses this: {c.check}: {c.en}; {c.do_en}" for c in found]
        zh = [f"生产环境不接受: {c.check}：{c.zh}；{c.do_zh}" for c in found]
        raise SettingsWrong("\n".join(zh), "\n".join(en))


def made_for_tests(settings: Settings) -> Iterator[Concern]:
    """Everything of this home that was made for tests: cards, certificates, secrets, the sample enterprise."""
    for account in settings.account:
        yield from _of_account(account, settings.home)
    for check, file in certificate_files(settings):
        if _marked(file):
            zh, en = f"{file} 是测试证书", f"{file} is a test certificate"
            yield Concern(check, zh, en, "换成主管部门的证书", "put the authority's own there")
    if (settings.home / FILE).exists():
        zh, en = f"{FILE} 是测试主目录的业务时钟", f"{FILE} is the business clock of a test home"
        yield Concern("clock", zh, en, f"rm {settings.home / FILE}", f"rm {settings.home / FILE}")
    for check, path in secret_files(settings):
        if sample.is_sample_secret(settings.home, path):
            zh, en = f"{path} 是测试用的", f"what {path} holds was made for tests"
            yield Concern(check, zh, en, "写入真正的", "write the real one there")
    for check, value in secrets_of(settings):
        if value.startswith("file:") and _text(settings.path(value[5:])) in _simulators_tokens(settings.home):
            zh, en = "是模拟器的令牌", "it is a token of the simulators"
            yield Concern(check, zh, en, "换成主管部门给的令牌", "use the token that the authority gave")


def _of_account(account: Account, home: Path) -> Iterator[Concern]:
    check = f"account {account.name}"
    for key, known in (("uscc", sample.USCC), ("customs_code", sample.CODES["customs"]), ("mofcom_code", sample.CODES["mofcom"])):
        if getattr(account, key) == known:
            zh, en = f"{key} {known} 是示例企业的", f"{key} {known} is the sample enterprise's"
            yield Concern(check, zh, en, "写上本企业的", "write the enterprise's own")
    for card in account.card:
        if card.kind == "software":
            zh, en = "软件密钥只用于测试", "a software key is for tests only"
            yield Concern(f"card {card.name}", zh, en, '换成 kind = "pkcs11" 的卡', 'use a card of kind = "pkcs11"')
        elif (seen := _certificate_in_reader(card, home)) and is_test_material(x509.load_der_x509_certificate(seen)):
            zh, en = "读卡器里是测试卡", "a test card is in its reader"
            yield Concern(f"card {card.name}", zh, en, "换成发卡机构发的卡", "use the card that its issuer gave")


def _certificate_in_reader(card: Card, home: Path) -> bytes:
    """The certificate of whatever card is in the reader, as DER, without using a PIN; empty where none answers soon."""
    try:
        with closing(open_card(card, home, locked=True, timeout=_LOOK_SECONDS)) as opened:
            return opened.probe().certificate
    except CardBroken:
        return b""


def _marked(path: Path) -> bool:
    try:
        return any(map(is_test_material, certificates_in(files.read(path))))
    except (OSError, ValueError):
        return False  # whoever needs it says what is wrong with it


def _simulators_tokens(home: Path) -> set[str]:
    try:
        told = tomllib.loads(files.plain(home / _SIMULATORS).read_text("utf-8"))
    except (OSError, ValueError):
        return set()
    tokens = {str(part.get("token", "")) for part in told.values() if isinstance(part, dict)}
    return (tokens | {str(told.get("admin_token", ""))}) - {""}


def _text(path: Path) -> str:
    try:
        return files.plain(path).read_text("utf-8").strip()
    except (OSError, UnicodeDecodeError):
        return ""
