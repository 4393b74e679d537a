"""Do the settings' words about document types fit the installed ones? Defaults and subscriptions of accounts."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from fnmatch import fnmatchcase

from tongguan.codecs.compile import Compiled
from tongguan.codecs.fields import Wrong
from tongguan.gateway.kernel.errors import SettingsWrong
from tongguan.gateway.kernel.profile_source import nearest
from tongguan.gateway.kernel.settings import Account, Settings, Subscribe


def fit_profiles(settings: Settings, profiles: Mapping[str, Compiled]) -> None:
    """Raise SettingsWrong naming every default and subscription that no document type can follow, with the nearest known word."""
    wrong = [complaint for account in settings.account for complaint in _of_account(account, profiles)]
    if wrong:
        raise SettingsWrong("\n".join(wrong))


def _of_account(account: Account, profiles: Mapping[str, Compiled]) -> Iterator[str]:
    for type_, values in account.defaults.items():
        place = f"account {account.name}, defaults.{type_}"
        if type_ not in profiles:
            yield f"{place}: unknown document type{nearest(type_, profiles)}"
            continue
        for path, value in values.items():
            yield from _of_default(f"{place}.{path}", path, value, profiles[type_])
    for subscription in account.subscribe:
        yield from _of_subscription(f"account {account.name}, subscribe", subscription, profiles)


def _of_default(place: str, path: str, value: str, compiled: Compiled) -> Iterator[str]:
    node = compiled.nodes.get(path)
    if node is None or path == "":
        yield f"{place}: unknown field{nearest(path, compiled.may_default)}"
    elif path not in compiled.may_default or node.convert is None:
        yield f"{place}: no default is possible there: it is a table, a part of one, or set by the system"
    else:
        try:
            node.convert(value.strip())
        except Wrong as refused:
            shown = "" if node.field.type == "secret" else f" {value!r}"
            yield f"{place}: the field does not take the value{shown} ({refused.code})"


def _of_subscription(place: str, subscription: Subscribe, profiles: Mapping[str, Compiled]) -> Iterator[str]:
    matching = []
    for pattern in subscription.types:
        found = [compiled for type_, compiled in profiles.items() if fnmatchcase(type_, pattern)]
        matching += found
        if not found:
            yield f"{place}: no document type is called {pattern!r}{nearest(pattern, profiles)}"
    codes = {code for compiled in matching for code in compiled.profile.receipts}
    for code in subscription.receipts if matching else ():
        if code not in codes:
            yield f"{place}: none of these types has a receipt {code!r}{nearest(code, codes)}"
