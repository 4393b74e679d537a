"""Do the settings' words fit the installed document types and authorities? Routes and cards; defaults, subscriptions and clients of accounts."""

from __future__ import annotations

from collections.abc import Mapping
from fnmatch import fnmatchcase

from tongguan.codecs.checking.compile import Compiled, compile_all
from tongguan.codecs.checking.fields import ValueWrong
from tongguan.gateway.profile.profile import Profiles
from tongguan.gateway.profile.sections.other_documents import CODES
from tongguan.gateway.profile.source import Complaints
from tongguan.gateway.settings import Account, ActsFor, Settings, Subscribe


def fit_profiles(settings: Settings, installed: Profiles) -> None:
    """Raise SettingsWrong naming every route and card of no authority, and every default, subscription and power that no document type
    can follow, with the nearest known word."""
    wrong, profiles = Complaints(), compile_all(installed)
    routes = {*installed.authorities, *(profile.route for profile in installed.values() if profile.route)}
    for route in settings.route:
        if route not in routes:
            wrong.unknown(f"route.{route}", "authority", route, routes)
    for card in settings.cards:
        if card.authority not in installed.authorities:
            wrong.unknown(f"card {card.name}, authority", "authority", card.authority, installed.authorities)
    for account in settings.account:
        for type_, values in account.defaults.items():
            place = f"account {account.name}, defaults.{type_}"
            if type_ not in profiles:
                wrong.unknown(place, "document type", type_, profiles)
                continue
            for path, value in values.items():
                _default(f"{place}.{path}", (path, value), profiles[type_], wrong)
        for subscription in account.subscribe:
            _subscription(f"account {account.name}, subscribe", subscription, profiles, wrong)
        _clients(account, profiles, wrong)
    wrong.end()


def _clients(account: Account, profiles: Mapping[str, Compiled], wrong: Complaints) -> None:
    """Powers are of types that there are, and each client has the codes by which these name it, which are nobody else's."""
    if account.acts_for and account.kind != "broker":
        zh, en = '只有报关行代理其他企业：请写 kind = "broker"', 'only a broker acts for others: write kind = "broker"'
        wrong.add(f"account {account.name}, acts_for", zh, en)
    whose: dict[tuple[str, str], str] = {(code, getattr(account, code)): account.uscc for code in CODES}
    for client in account.acts_for:
        place = f"account {account.name}, acts_for {client.title or client.uscc}"
        for code in CODES:
            value = getattr(client, code)
            if value and whose.setdefault((code, value), client.uscc) != client.uscc:
                wrong.add(f"{place}.{code}", f"{value} 也是另一企业的编码", f"{value} is another enterprise's, too")
        for power in client.powers:
            _power(place, client, power, profiles, wrong)


def _power(place: str, client: ActsFor, power: str, profiles: Mapping[str, Compiled], wrong: Complaints) -> None:
    meant = [one.profile for one in profiles.values() if power in (one.profile.type, one.profile.system)]
    if not meant:
        wrong.unknown(
            f"{place}.powers", "document type", power, sorted({*profiles, *(p.profile.system for p in profiles.values())})
        )
    named_by = {one.party.by or one.account_code for one in meant if one.party is not None and one.party.names}
    for code in sorted(code for code in named_by if not getattr(client, code)):
        zh, en = f"缺少 {code}：{power} 的单证以它指明企业", f"{code} is missing: documents of {power} name the enterprise by it"
        wrong.add(f"{place}.{code}", zh, en)


def _default(place: str, given: tuple[str, str], compiled: Compiled, wrong: Complaints) -> None:
    path, value = given
    node = compiled.nodes.get(path)
    if node is None or path == "":
        wrong.unknown(place, "field", path, compiled.may_default)
    elif path not in compiled.may_default or node.convert is None:
        en = "no default is possible there: it is a table, a part of one, or set by the system"
        wrong.add(place, "此处不能有默认值：它是表、表的一部分，或由系统填写", en)
    else:
        try:
            node.convert(value.strip())
        except ValueWrong as refused:
            shown = "" if node.field.type == "secret" else f" {value!r}"
            code = refused.code
            wrong.add(place, f"字段不接受这个值{shown}（{code}）", f"the field does not take the value{shown} ({code})")


def _subscription(place: str, subscription: Subscribe, profiles: Mapping[str, Compiled], wrong: Complaints) -> None:
    matching = []
    for pattern in subscription.types:
        found = [compiled for type_, compiled in profiles.items() if fnmatchcase(type_, pattern)]
        matching += found
        if not found:
            wrong.unknown(place, "document type", pattern, profiles)
    codes = {code for compiled in matching for code in compiled.profile.receipts}
    for code in subscription.receipts if matching else ():
        if code not in codes:
            wrong.unknown(place, "receipt", code, codes)
