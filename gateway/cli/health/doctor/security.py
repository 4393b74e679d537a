"""Are secrets kept, can PINs be PINs, and is a production home free of what was made for tests? For doctor and `config check`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

from tongguan.gateway.cli.context import t, words
from tongguan.gateway.cli.health.doctor.finding import Finding
from tongguan.gateway.daemon.start_checks.production import made_for_tests
from tongguan.gateway.daemon.start_checks.secrets_check import Concern, concerns
from tongguan.gateway.model.errors import SettingsWrong
from tongguan.gateway.settings import Settings
from tongguan.gateway.system.storage import permissions
from tongguan.routes import trust
from tongguan.signer.cards.pin import fits, is_reference, read_pin
from tongguan.signer.errors import PinNeeded, PinUnfit


def secrets(settings: Settings) -> Iterable[Finding]:
    """Secrets are referred to, and their files are nobody else's."""
    production = settings.gateway.environment == "production"
    for each in concerns(settings):
        yield _found(each, warning=not (each.broken or (production and each.grave)))


def production(settings: Settings) -> Iterable[Finding]:
    if settings.gateway.environment == "production":
        found = list(made_for_tests(settings))
        yield from (_found(each, warning=not each.grave) for each in found)
        if not found:
            yield Finding("production", t("没有测试材料", "no test material"))


def _found(concern: Concern, *, warning: bool) -> Finding:
    return Finding(concern.check, words(concern), t(concern.do_zh, concern.do_en), warning)


def pins(settings: Settings, lengths: Mapping[str, tuple[int, int]]) -> Iterable[Finding]:
    """Each PIN is read as its card would read it, and not tried."""
    for card in settings.cards:
        if not is_reference(card.pin):
            continue
        try:
            given = read_pin(card.pin, settings.home)
            fits(given, lengths[card.name])
        except PinUnfit as unfit:
            do = _to_be_read(card.pin, settings) or t(f"写对 {card.pin}", f"write it right: {card.pin}")
            yield Finding(f"pin {card.name}", words(unfit), do)
        except PinNeeded as needed:
            yield Finding(f"pin {card.name}", words(needed), t(f"写入 {card.pin}", f"write it: {card.pin}"))
        else:
            yield Finding(f"pin {card.name}", t(f"{card.pin} 可读（没有拿去试）", f"{card.pin} can be read (it was not tried)"))


def tokens(settings: Settings) -> Iterable[Finding]:
    """A route's token that its reference does not lead to, or that no header can carry."""
    for name, route in settings.route.items():
        if is_reference(route.token):
            try:
                trust.token(name, route, settings.home)
            except SettingsWrong as wrong:
                write = t("写入主管部门给的令牌", "write the token that the authority gave there")
                yield Finding(f"route {name} token", words(wrong), _to_be_read(route.token, settings) or write)


def _to_be_read(reference: str, settings: Settings) -> str:
    """What to do about the file of a reference that whoever types this may not read; nothing for any other reference."""
    kind, _, place = reference.partition(":")
    return to_be_read(settings.path(place)) if kind == "file" else ""


def to_be_read(file: Path) -> str:
    """What to do about a file that is there and that whoever types this may not read; nothing about any other."""
    if not permissions.is_locked(file):
        return ""
    return t(*permissions.closed(file))
