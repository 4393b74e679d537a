"""All commands by name, with what the help says of each. A command's module is imported when it is typed: the others cost nothing."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from importlib import import_module
from typing import Annotated, Any

import typer
from typer.core import TyperCommand, TyperGroup

from tongguan import __version__


@dataclass(frozen=True)
class Command:
    """What a command's help begins with, and where its function is; with `made_of` it is made by calling that with these words."""

    text: str
    module: str
    name: str
    made_of: tuple[str, ...] = ()
    homeless: bool = False
    strict: bool = False  #: wants the settings on disk right; all others may go by those that the gateway runs with


@dataclass(frozen=True)
class CommandGroup:
    """Commands under one word; `otherwise` is the one that is meant where no other is named."""

    text: str
    commands: Mapping[str, Command]
    otherwise: str = ""


COMMANDS: Mapping[str, Command | CommandGroup] = {
    "init": Command(
        "建立主目录：设置、示例账户、测试卡 / Make a home: settings, a sample account, test cards.",
        "setup.commands",
        "init",
        homeless=True,
    ),
    "demo": Command(
        "演示：每种单证的示例走完全程 / Play the examples of every document type from end to end.",
        "setup.commands",
        "demo",
        homeless=True,
    ),
    "run": Command("运行网关（前台）/ Run the gateway in the foreground.", "setup.commands", "run", strict=True),
    "reload": Command(
        "让运行中的网关改用磁盘上的设置 / The running gateway goes on with the settings on disk.",
        "setup.reload",
        "reload",
        strict=True,
    ),
    "simulate": Command(
        "运行商务部和海关的模拟器 / Run the simulators of MOFCOM and customs.", "setup.commands", "simulate", strict=True
    ),
    "check": Command(
        "校验报文，不发送 / Validate files without sending: exit 0 clean, 1 faults, 2 unreadable.", "profiles.check", "check"
    ),
    "bench": Command(
        "测量本机速度，每次一行 / Measure this machine's rate, one line a run.", "health.bench", "bench", homeless=True
    ),
    "list": Command("列出报文，最新在前 / List messages, newest first.", "messages.views", "list_messages"),
    "show": Command("显示报文及其单证 / Show a message with its document, faults and receipts.", "messages.views", "show"),
    "timeline": Command(
        "报文的每一步；也可查 account:名、route:名、card:名、gateway / Every step of a message, or of an account, route, card, gateway.",
        "messages.views",
        "timeline",
    ),
    "answers": Command(
        "报文的答复文件；--again 重写到 InBox / A message's answers; --again writes them to InBox once more.",
        "messages.views",
        "answers",
    ),
    "documents": Command(
        "列出单证，或许可证余量 / List business documents, or what is left of licences.", "messages.documents", "documents"
    ),
    "deadlines": Command(
        "列出须申报而未申报的单证 / List what is not declared yet of what must be. Exit 1 when some of it is late.",
        "health.deadlines",
        "deadlines",
    ),
    "merge": Command("汇总一个月的单据 / Merge the documents of a month.", "messages.merge", "merge"),
    "hold": Command("暂停处理报文 / Hold messages for a person", "messages.orders", "acting", ("hold",)),
    "release": Command("放行暂挂的报文 / Let held messages go on", "messages.orders", "acting", ("release",)),
    "retry": Command("立即重试 / Try again now", "messages.orders", "acting", ("retry",)),
    "stop": Command("停止尚未生效的报文 / Stop messages before they take effect", "messages.orders", "acting", ("stop",)),
    "give-up": Command("放弃报文 / Give messages up", "messages.orders", "acting", ("give-up",)),
    "pause": Command("暂停账户或通道 / Pause an account or a route", "messages.orders", "switching", ("pause",)),
    "resume": Command("恢复账户或通道 / Resume an account or a route", "messages.orders", "switching", ("resume",)),
    "quarantine": CommandGroup(
        "隔离的回执 / receipts that are not believed",
        {
            "list": Command(
                "列出隔离、未匹配和暂挂的回执 / List receipts in quarantine, those that match nothing, and those that are held.",
                "messages.quarantine",
                "list_receipts",
            ),
            "show": Command("显示一份回执 / Show a receipt as it came.", "messages.quarantine", "show"),
            "apply": Command(
                "重新验证并应用 / Verify again, and apply if it is right now", "messages.quarantine", "acting", ("apply",)
            ),
            "drop": Command("丢弃 / Drop it", "messages.quarantine", "acting", ("drop",)),
        },
    ),
    "card": CommandGroup(
        "卡 / cards: what is in the readers, bind, test, PIN",
        {
            "list": Command(
                "列出卡 / List the cards: number, certificate, tries left, whether they are open.", "cards.cards", "list_cards"
            ),
            "bind": Command(
                "绑定读卡器里的卡 / Bind the cards in the readers: the settings keep their numbers.",
                "cards.cards",
                "bind",
                strict=True,
            ),
            "test": Command("试签一次 / Make a trial signature and verify it.", "cards.cards", "test"),
            "pin": Command(
                "输入 PIN，试一次，成功则重新开卡 / Give a PIN: tried once; a right one opens the card again.", "cards.pin", "pin"
            ),
        },
    ),
    "mailbox": CommandGroup(
        "信箱 / mailboxes: what is wrong with them; take a folder as one",
        {
            "list": Command(
                "各账户的信箱 / Each account's mailbox, its id, and what is wrong with it. Exit 1 when one of them cannot be used.",
                "setup.mailboxes",
                "list_mailboxes",
            ),
            "adopt": Command(
                "把设置所指的文件夹作为该账户的信箱 / From now on the folder that the settings name is this account's mailbox.",
                "setup.mailboxes",
                "adopt",
                strict=True,
            ),
        },
    ),
    "queues": CommandGroup(
        "消息队列 / queues at the broker",
        {
            "show": Command(
                "消息服务器上的队列 / The broker's queues: depth, consumers, dead letters, replies and events that wait. Exit 1 when the broker is away.",
                "queues.queues",
                "show",
            ),
            "dead": Command(
                "读不了的消息：查看、退回原队列、删除 / Messages of queues that nobody could read: why; back into their queues, or away.",
                "queues.dead",
                "dead",
            ),
        },
        otherwise="show",
    ),
    "events": CommandGroup(
        "事件 / events: tell them once more",
        {
            "replay": Command(
                "补发事件 / Tell events once more, with the ids and numbers that they had.", "queues.events", "replay"
            ),
        },
    ),
    "profiles": Command(
        "单证类型：字段、规则、状态 / Document types: fields, rules, statuses, schemas.", "profiles.profiles", "profiles"
    ),
    "tables": CommandGroup(
        "代码表：查看、导入 / code tables: what is in them, import",
        {
            "show": Command("列出代码表，或一个表的各行 / List the code tables, or the rows of one.", "profiles.tables", "show"),
            "import": Command(
                "导入公布的代码表 / Import a published code table. Exit 1 when documents in hand have codes that would go.",
                "profiles.table_import",
                "import_table",
            ),
        },
        otherwise="show",
    ),
    "status": Command(
        "一屏看全局 / One screen: counts, ages, cards, routes, troubles. Exit 0 well, 1 warning, 2 critical, 78 wrong settings.",
        "health.status",
        "status",
    ),
    "doctor": Command(
        "体检：本机是否适合运行 / Is this machine fit? Each ok, or what to do.", "health.doctor.checks", "doctor", strict=True
    ),
    "service": CommandGroup(
        "服务 / a service of the system",
        {
            "install": Command(
                "写 systemd 服务单元，或打印 / Write a systemd unit for this home, or print it.",
                "setup.service",
                "install",
                strict=True,
            ),
        },
    ),
    "config": CommandGroup(
        "设置 / settings",
        {
            "show": Command(
                "显示生效的设置；--defaults 包括默认值 / The settings as they hold; --defaults: with all that the file leaves out.",
                "setup.settings_view",
                "show",
            ),
            "check": Command(
                "检查设置 / Are the settings right? Exit 78 when not.", "health.doctor.checks", "config_check", strict=True
            ),
        },
    ),
    "alerts": CommandGroup(
        "告警 / alerts: the ways in which they reach people",
        {
            "test": Command(
                "每个渠道试送一条 / A trial by each way, or by one. Exit 1 when one fails.", "health.alerts", "trial", strict=True
            ),
        },
    ),
    "backup": Command(
        "把主目录备份成一个文件，网关不必停 / Put the home into one file; the gateway may run.", "setup.backups", "backup"
    ),
    "restore": Command(
        "把备份恢复到主目录，或新目录 / Put a backup back into its home, or into a new folder.",
        "setup.backups",
        "restore",
        strict=True,
    ),
    "upgrade": Command(
        "把旧版的日志升级到本版，先做备份 / Bring the journal of an older release up to date, behind a backup.",
        "setup.backups",
        "upgrade",
        strict=True,
    ),
    "audit": CommandGroup(
        "审计 / the history",
        {
            "verify": Command(
                "核对历史是否完整 / Is the history whole? Altered or missing entries and rows are named.",
                "health.audit",
                "verify",
            ),
            "list": Command(
                "网关启停、暂停、人工指令 / What moved no message: starts, stops, lanes shut and opened, orders; who, when and why.",
                "health.audit",
                "listing",
            ),
            "accept": Command(
                "恢复后确认以现有文件继续 / Go on with journal and anchor as they are, after a restore that cannot be mended.",
                "health.audit",
                "accept",
                strict=True,
            ),
        },
    ),
}


def make_app() -> TyperGroup:
    """The program."""
    app = typer.Typer(
        name="tongguan",
        help="通关网关 / a gateway between enterprises and the Single Window's authorities",
        no_args_is_help=True,
        context_settings={"help_option_names": ["-h", "--help"]},
    )
    app.callback()(_begin)
    group = typer.main.get_command(app)
    assert isinstance(group, TyperGroup)
    group.commands.update(_listed(COMMANDS))
    return group


def _tell_version(wanted: bool) -> None:
    if wanted:
        print(f"tongguan {__version__}")
        raise typer.Exit


def _begin(
    version: Annotated[
        bool, typer.Option("--version", callback=_tell_version, is_eager=True, help="show the version / 显示版本")
    ] = False,
) -> None:
    """What precedes every command."""


def _listed(commands: Mapping[str, Command | CommandGroup]) -> dict[str, Any]:
    return {
        name: _ListedGroup(name, entry) if isinstance(entry, CommandGroup) else _Listed(name, entry)
        for name, entry in commands.items()
    }


class _ListedGroup(TyperGroup):
    """Commands under one word; with none of their names the one that is meant otherwise."""

    def __init__(self, name: str, entry: CommandGroup) -> None:
        super().__init__(name=name, help=entry.text, no_args_is_help=not entry.otherwise, commands=_listed(entry.commands))
        self._otherwise = entry.otherwise

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        named = bool(args) and (args[0] in self.commands or args[0] in ctx.help_option_names)
        return super().parse_args(ctx, args if named or not self._otherwise else [self._otherwise, *args])


class _Listed(TyperCommand):
    """A command in a list; when it is typed, or its own help or completion is asked for, the real one stands in."""

    def __init__(self, name: str, entry: Command) -> None:
        super().__init__(name, help=entry.text)
        self.entry = entry

    def make_context(self, info_name: str | None, args: list[str], parent: Any = None, **extra: Any) -> Any:
        return real(self.name or "", self.entry).make_context(info_name, args, parent, **extra)


def real(name: str, entry: Command) -> TyperCommand:
    """The command itself, its module imported."""
    from tongguan.gateway.cli.context import command

    function = getattr(import_module(f"tongguan.gateway.cli.{entry.module}"), entry.name)
    app = typer.Typer(add_completion=False)
    command(app, name, text=entry.text, homeless=entry.homeless, strict=entry.strict)(
        function(*entry.made_of) if entry.made_of else function
    )
    made = typer.main.get_command(app)
    assert isinstance(made, TyperCommand)
    return made
