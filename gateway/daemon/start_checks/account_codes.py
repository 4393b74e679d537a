"""An account's codes while something of it is on its way: an authority answers to the code under which it was sent."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import product

from tongguan.gateway.flow.rules import Rules
from tongguan.gateway.journal.journal import Journal
from tongguan.gateway.journal.reading.search import Search
from tongguan.gateway.model.message import Message, State
from tongguan.gateway.profile.source import Complaints

_ON_ITS_WAY = frozenset({State.CHECKED, State.SEALED, State.SENT})
_ALL = 2**31


def new_ones(rules: Rules, journal: Journal) -> Mapping[str, str]:
    """Markers of the codes that accounts did not have before, to be kept once these settings run.

    SettingsWrong where an account has messages on their way under another code: their answers would be believed no more, and what
    was checked as one enterprise's would be signed as another's.
    """
    found, wrong = dict[str, str](), Complaints()
    with journal.search() as records:
        for account, route in product(rules.settings.account, rules.settings.route):
            name, code = f"code:{route}:{account.name}", rules.code_on(account, route)
            before = records.marker(name) or ""
            if before == code:
                continue
            found[name] = code
            waiting = list(_on_their_way(records, account.name, route)) if before else []
            if waiting:
                first, many = waiting[0].id, len(waiting)
                wrong.add(
                    f"account {account.name}",
                    f"它在 {route} 的代码原为 {before}，还有 {many} 份报文以此代码在办（{first}）；请先改回，待其办结或被放弃后再改：tongguan give-up {first} --why TEXT",
                    f"its code at {route} was {before}, under which {many} messages are on their way ({first}); put it back, and change it "
                    f"when they have ended or were given up: tongguan give-up {first} --why TEXT",
                )
    wrong.end()
    return found


def _on_their_way(records: Search, account: str, route: str) -> Iterator[Message]:
    for message in records.open_messages(account, _ALL):
        state = message.held_from if message.state is State.HELD else message.state
        if message.route == route and state in _ON_ITS_WAY:
            yield message
