"""Commands about mailboxes: list what is wrong with them, and take a folder as an account's mailbox from now on."""

from __future__ import annotations

import os
from collections.abc import Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path
from shlex import quote
from typing import TYPE_CHECKING, Annotated

import typer

from tongguan.gateway.cli import context
from tongguan.gateway.cli.context import CommandWrong, t, words
from tongguan.gateway.cli.messages.orders import WhyOption, order
from tongguan.gateway.cli.messages.selection import known_or_wrong
from tongguan.gateway.cli.output import print_json, print_table, print_text
from tongguan.gateway.model.errors import NoJournal, SettingsWrong, many
from tongguan.gateway.settings import RUNNING, Account, Settings, read_settings
from tongguan.gateway.system.storage import folders
from tongguan.gateway.system.storage.folders import Away
from tongguan.gateway.system.threads import ANSWER, within

if TYPE_CHECKING:
    from tongguan.gateway.journal.client import JournalClient

_MOST_LOOKED_AT, _SHOWN = 10_000, 5


def identity_of(account: str) -> str | None:
    """The id by which the journal knows an account's mailbox; None before the first start."""
    return _known(account)[0]


def _known(account: str) -> tuple[str | None, bool]:
    """The id of an account's mailbox, and whether the mailbox has not got it yet."""
    try:
        with context.journal() as journal, journal.search() as records:
            known = records.marker(folders.identity_marker(account))
    except NoJournal:
        return None, True
    identity, _, new = (known or "").partition(" ")
    return identity or None, bool(new) or not identity


def mailbox_troubles(settings: Settings, account: Account) -> list[Away]:
    """All that keeps the gateway from working in an account's mailbox."""
    identity, new = _known(account.name)
    place = settings.mailbox(account)
    found = within(ANSWER, {place: lambda: list(folders.troubles(place, account.name, identity, new=new))})
    return found.get(place, [folders.silent(place)])


def left_behind(settings: Settings) -> dict[Path, int]:
    """OutBoxes of no account in which files wait, with how many: of accounts that the gateway runs or ran with, and in `mailboxes/`.

    Nobody takes them, and nobody else tells of them.
    """
    known = [*map(settings.mailbox, settings.account)]
    places = [*settings.home.glob("mailboxes/*")]
    with suppress(SettingsWrong):  # of an earlier version, or it never ran
        ran = read_settings(settings.home, file=RUNNING)
        places += map(ran.mailbox, ran.account)
    real = within(ANSWER, {place: partial(os.path.realpath, place) for place in (*known, *places)})
    serving = {real.get(place) for place in known}
    left = {Path(at) / "OutBox" for place in places if (at := real.get(place)) is not None and at not in serving}
    found = within(ANSWER, {outbox: partial(_files, outbox) for outbox in left})
    return {outbox: count for outbox, count in sorted(found.items()) if count}


def strange_originals(settings: Settings, journal: JournalClient) -> dict[Path, list[str]]:
    """Originals in each account's `work/` of messages that the journal does not know, as after a restore: nobody carries them on."""
    places = [settings.mailbox(account) / "work" for account in settings.account]
    found = within(ANSWER, {work: partial(folders.names_taken, work) for work in places})
    strange = {}
    with journal.search() as records:  # begun last: of what lies there it knows all
        for work, names in sorted(found.items()):
            known = records.references(Path(name).stem for name in names[:_MOST_LOOKED_AT])
            if left := [name for name in names[:_MOST_LOOKED_AT] if Path(name).stem not in known]:
                strange[work] = left
    return strange


def tell_strange(work: Path, names: Sequence[str]) -> tuple[str, str]:
    """That originals lie there which nobody carries on, and what to type."""
    some = " ".join(names[:_SHOWN]) + (" …" if len(names) > _SHOWN else "")
    return (
        t(
            f"{work} 里有 {len(names)} 个原件，日志不认识其报文（恢复备份之前收下的）：{some}；主管部门没有的移回 OutBox，其余移走",
            f"{work} holds {many(len(names), 'original')} of messages that the journal does not know, as they were taken before a "
            f"restore: {some}; move back to OutBox what the authority does not have, and the others away",
        ),
        f"ls -l {quote(str(work))}",
    )


def _files(outbox: Path) -> int:
    """How many files wait in a folder; none where there is no such folder, or it may not be read."""
    try:
        with os.scandir(outbox) as lying:
            return sum(each.is_file(follow_symlinks=False) and not each.name.startswith(".") for each in lying)
    except OSError:
        return 0


def tell_left_behind(outbox: Path, count: int) -> tuple[str, str]:
    """What waits there, and what to do, in the user's language."""
    return (
        t(
            f"{outbox} 不属于任何账户，其中有 {count} 个文件无人取走",
            f"{outbox} is no account's: nobody takes its {many(count, 'file')}",
        ),
        t(
            "移到所属账户的 OutBox，或把该账户放回设置并执行 tongguan reload；不需要的请删除",
            "move them to their account's OutBox, or put that account back into the settings and type tongguan reload; delete what "
            "nobody needs",
        ),
    )


def list_mailboxes() -> int:
    """各账户的信箱 / Each account's mailbox, its id, and what is wrong with it. Exit 1 when one of them cannot be used."""
    settings = context.settings()
    wrong = {account.name: mailbox_troubles(settings, account) for account in settings.account}
    if context.as_json():
        print_json(
            [
                {
                    "account": account.name,
                    "mailbox": str(settings.mailbox(account)),
                    "id": identity_of(account.name),
                    "troubles": [{"text": words(each), "do": each.do(context.language())} for each in wrong[account.name]],
                }
                for account in settings.account
            ]
        )
    else:
        rows = [
            (account.name, identity_of(account.name), settings.mailbox(account), "✗" if wrong[account.name] else "✓")
            for account in settings.account
        ]
        print_table("账户 标识 信箱 状态", "account id mailbox state", rows)
        for account, troubles in wrong.items():
            for each in troubles:
                print_text(f"✗ {account}: {words(each)}\n    {each.do(context.language())}")
    return 1 if any(wrong.values()) else 0


def adopt(
    account: Annotated[str, typer.Argument()],
    why: WhyOption = "",
) -> None:
    """把设置所指的文件夹作为该账户的信箱 / From now on the folder that the settings name is this account's mailbox."""
    settings = context.settings()
    mine = {each.name: each for each in settings.account}
    known_or_wrong(account, mine, "账户", "account")
    mailbox = settings.mailbox(mine[account])
    identity = identity_of(account)
    if identity is None:
        raise CommandWrong(
            "网关还没有运行过；首次启动时会认领信箱", "the gateway has never run here: it takes its mailboxes at its first start"
        )
    order({"do": "adopt", "account": account, "mailbox": str(mailbox)}, why=why)
    try:
        folders.adopt(mailbox, identity)
    except (Away, OSError) as wrong:
        text = words(wrong) if isinstance(wrong, Away) else str(wrong)
        raise CommandWrong(f"不能作为信箱：{text}", f"it cannot be the mailbox: {text}") from wrong
    done = t("已认领为账户 {} 的信箱", "is the mailbox of account {} now").format(account)
    if context.as_json():
        print_json({"account": account, "mailbox": str(mailbox), "id": identity})
    else:
        print_text(f"{mailbox} {done}")
