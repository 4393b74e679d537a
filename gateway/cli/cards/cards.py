"""`tongguan card`: what is in the readers, bind a card, a trial signature.

Looking never uses a PIN.
"""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Annotated, Any, TypeVar

import typer

from tongguan.gateway.cli import context
from tongguan.gateway.cli.context import CommandWrong, t, words
from tongguan.gateway.cli.messages.orders import daemon_runs, order
from tongguan.gateway.cli.messages.selection import known_or_wrong
from tongguan.gateway.cli.output import facts_of, print_json, print_table, print_text, say
from tongguan.gateway.flow.cards.looks import Looks, holders, trouble_of
from tongguan.gateway.home import home as homes
from tongguan.gateway.home.toml_text import NotFound
from tongguan.gateway.model.errors import JournalUnfit, NoJournal, in_both
from tongguan.gateway.model.lane import ClosedLane, Lane, LaneKind
from tongguan.gateway.settings import Account, Card
from tongguan.signer.cards.card import OpenCard, Tries, open_card
from tongguan.signer.cards.pin import MOST_BYTES
from tongguan.signer.certificate import Identity, identity, is_signature
from tongguan.signer.errors import CardAbsent, CardBroken, CardMismatch, PinNeeded, PinUnfit, PinWrong

_Value = TypeVar("_Value")


@dataclass(frozen=True)
class Owned:
    """A card of the settings with its account and, where it is shut, its lane."""

    account: Account
    card: Card
    lane: ClosedLane | None

    @property
    def refused(self) -> bool:
        """Did the card refuse its PIN, so that nobody may try it again by himself?"""
        return self.lane is not None and self.lane.reason == "pin" and self.lane.probe_at is None


def _owned() -> list[Owned]:
    try:
        with context.journal() as journal, journal.search() as records:
            lanes = records.lanes()
    except (NoJournal, JournalUnfit):
        lanes = {}
    return [Owned(a, c, lanes.get(Lane(LaneKind.CARD, c.name))) for a in context.settings().account for c in a.card]


def named(name: str) -> Owned:
    every = {owned.card.name: owned for owned in _owned()}
    known_or_wrong(name, every, "卡", "card")
    return every[name]


@contextmanager
def opened(owned: Owned, *, locked: bool, bound: str) -> Iterator[OpenCard]:
    card = open_card(owned.card, context.home().resolve(), locked=locked, bound=bound)
    try:
        yield card
    finally:
        card.close()


def asking(name: str, ask: Callable[[], _Value]) -> _Value:
    """What the card answers; Wrong with what to do where it does not."""
    try:
        return ask()
    except CardAbsent as absent:
        raise CommandWrong(f"卡 {name} 不在位：{absent.zh}；请插卡", f"card {name} is absent: {absent.en}; put it in") from None
    except CardMismatch as other:
        raise CommandWrong(
            f"卡 {name}：当前卡号 {other.in_reader} 与绑定卡号 {other.bound} 不一致；换卡，或执行 tongguan card bind {name}",
            f"card {name}: {other.in_reader} is in the reader, {other.bound} is bound; change it, or type: tongguan card bind {name}",
        ) from None
    except PinWrong as wrong:
        left = "" if wrong.tries_left is None else f" ({wrong.tries_left})"
        raise CommandWrong(f"卡 {name} 不接受该 PIN{left}；确认后执行 tongguan card pin {name}",
                    f"card {name} refuses the PIN{left}; when you are sure of another: tongguan card pin {name}") from None  # fmt: skip
    except PinUnfit as unfit:
        raise CommandWrong(f"卡 {name}：{unfit.zh}；没有拿去试，剩余次数不变",
                    f"card {name}: {unfit}; it was not tried, no try is gone") from None  # fmt: skip
    except PinNeeded as needed:
        raise CommandWrong(f"卡 {name} 需要 PIN：{needed.zh}；执行 tongguan card pin {name}",
                    f"card {name} needs its PIN: {needed.en}; type: tongguan card pin {name}") from None  # fmt: skip
    except (CardBroken, ValueError) as broken:
        zh = broken.zh if isinstance(broken, CardBroken) else broken
        raise CommandWrong(
            f"卡 {name} 不可用：{zh}；执行 tongguan doctor", f"card {name} does not work: {broken}; type: tongguan doctor"
        ) from None


def remembered(owned: Owned, ask: Callable[[], _Value]) -> _Value:
    """What the card answers; a PIN that it refuses shuts its lane in the journal, so that nobody tries the same one again."""
    try:
        return ask()
    except PinWrong as wrong:
        if not owned.refused:
            order(
                {"do": "refused", "card": owned.card.name, "text": in_both(wrong.zh, str(wrong))}, why="the card refused the PIN"
            )
        raise


def record(name: str, step: str, state: str, *, why: str) -> None:
    """Tell the history what somebody did to a card; before the first start there is none to tell."""
    try:
        with context.journal():
            pass
    except NoJournal:
        return
    order({"do": "note", "lane": f"card:{name}", "step": step, "state": state}, why=why)


def list_cards() -> None:
    """列出卡 / List the cards: number, certificate, tries left, whether they are open."""
    rows = list_states()
    if context.as_json():
        print_json(rows)
        return
    names = ("name", "account", "authority", "role", "kind", "present", "number", "bound", "valid_until", "tries", "state")
    print_table(
        "卡 账户 机关 角色 类型 在位 卡号 绑定 有效期至 剩余次数 状态",
        "card account authority role kind present number bound until tries state",
        [[row[name] for name in names] for row in rows],
    )
    for row in rows:
        if row["do"]:
            print_text(f"{row['text'] or row['name']}\n    {row['do']}")


def list_states() -> list[dict[str, Any]]:
    """Every card as it is now, with what to do where it is not well."""
    return [_looked_at(owned) for owned in _owned()]


def _looked_at(owned: Owned) -> dict[str, Any]:
    row: dict[str, Any] = facts_of(owned.card, "name", "authority", "role", "kind", "bound")
    row |= {
        "account": owned.account.name,
        "present": None,
        "number": "",
        "valid_until": "",
        "tries": "",
        "matches": None,
        "pin_lengths": (1, MOST_BYTES),
    }
    row |= {"state": owned.lane.reason if owned.lane else "open", "do": owned.lane.do if owned.lane else "", "text": ""}
    production = context.settings().gateway.environment == "production"
    try:
        # Locked: looking never uses a PIN, whatever happens.
        with opened(owned, locked=True, bound=owned.card.bound) as card:
            looks = Looks({owned.card.name: card}, production=production)
            seen = looks.look(owned.card.name)
    except CardBroken as broken:
        do = "tongguan doctor" if owned.card.bound else f"tongguan card bind {owned.card.name}"
        return row | {"state": f"broken: {words(broken)}", "do": do}
    row |= {"present": seen.present, "number": seen.number, "matches": seen.matches, "tries": seen.tries.value}
    row["pin_lengths"] = seen.pin_lengths
    row["valid_until"] = seen.valid_until.strftime("%Y-%m-%d") if seen.valid_until else ""
    trouble = trouble_of(owned.account, owned.card, looks)
    # What was looked at here was locked: how its PIN stands, the gateway's lane tells.
    if trouble is not None and (trouble.kind != "pin" or seen.tries is Tries.BLOCKED):
        row |= {"state": trouble.kind, "do": trouble.do, "text": words(trouble)}
    return row


def bind(
    name: Annotated[
        str, typer.Argument(metavar="[NAME]", help="without it: every card not bound yet / 省略：所有未绑定的卡")
    ] = "",
) -> None:
    """绑定读卡器里的卡 / Bind the cards in the readers: the settings keep their numbers."""
    chosen = [named(name)] if name else [o for o in _owned() if not o.card.bound]
    bound = {owned.card.name: _bind(owned) for owned in chosen}
    if context.as_json():
        print_json(bound)
        return
    for card, facts in bound.items():
        say(
            f"{card}：已绑定 {facts['number']}（{facts['fingerprint']}）",
            f"{card}: {facts['number']} is bound ({facts['fingerprint']})",
        )
    if not bound:
        say("没有未绑定的卡", "no card is unbound")
    elif daemon_runs():
        say("要启用，请执行：tongguan reload", "to have it used, type: tongguan reload")


def _bind(owned: Owned) -> dict[str, str]:
    who = _identity(owned, bound="")
    if not who.number:
        raise CommandWrong(
            f"卡 {owned.card.name} 的证书没有卡号", f"the certificate of card {owned.card.name} carries no card number"
        )
    if (holder := holders(who.chain[0])) and not {
        owned.account.uscc,
        owned.account.customs_code,
        owned.account.mofcom_code,
    } & set(holder):
        other, account = "/".join(holder), owned.account.name
        raise CommandWrong(f"卡 {owned.card.name} 属于 {other}，不是账户 {account} 的，没有绑定",
                    f"card {owned.card.name} belongs to {other}, not to account {account}: it is not bound")  # fmt: skip
    bound = {"bound": (who.number, f"certificate sha256 {who.fingerprint}"), "fingerprint": (who.fingerprint, "")}
    try:
        for key, (value, note) in bound.items():
            homes.change_settings(context.home(), "account.card", key, value, named=owned.card.name, note=note)
    except NotFound:
        line = f'bound = "{who.number}"'
        raise CommandWrong(f"请自行在 tongguan.toml 的 {owned.card.name} 中写入 {line}",
                    f"write {line} into {owned.card.name} of tongguan.toml yourself") from None  # fmt: skip
    was = f", {owned.card.bound} before" if owned.card.bound else ""
    record(owned.card.name, "bind", "bound", why=f"{who.number} sha256 {who.fingerprint}{was}")
    return {"number": who.number, "fingerprint": who.fingerprint, "was": owned.card.bound}


def _identity(owned: Owned, *, bound: str) -> Identity:
    with opened(owned, locked=True, bound=bound) as card:
        return asking(owned.card.name, lambda: identity(card.certificate_chain))


def test(name: Annotated[str, typer.Argument(metavar="NAME")]) -> int | None:
    """试签一次 / Make a trial signature and verify it."""
    owned = named(name)
    digest = hashlib.sha256(secrets.token_bytes(32)).digest()
    # A PIN that was refused before is not tried again here either.
    with opened(owned, locked=owned.refused, bound=owned.card.bound) as card:
        who = asking(name, lambda: identity(card.certificate_chain))
        signature = asking(name, lambda: remembered(owned, lambda: card.sign([digest])))[0]
    good = is_signature(who.key, signature, digest)
    if context.as_json():
        print_json({"card": name, "number": who.number, "algorithm": who.algorithm, "ok": good})
    else:
        said = (
            t("签名有效", "the signature is good")
            if good
            else t("签名无效，请勿使用此卡", "the signature is bad: do not use this card")
        )
        print_text(f"{name} {who.number} {who.algorithm}: {said}")
    return 0 if good else 1
