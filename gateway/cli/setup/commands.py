"""Commands that make a home and run it: init, run, simulate, demo."""

from __future__ import annotations

import resource
from contextlib import suppress
from enum import StrEnum
from pathlib import Path
from shlex import quote
from typing import Annotated

import typer

from tongguan.gateway.cli import context
from tongguan.gateway.cli.context import CommandWrong
from tongguan.gateway.cli.output import print_json, say
from tongguan.gateway.daemon.start_checks import sample
from tongguan.gateway.home import home as homes
from tongguan.signer.errors import CardBroken


class CardChoice(StrEnum):
    SOFTWARE = "software"
    PKCS11 = "pkcs11"


def init(
    folder: Annotated[Path, typer.Argument(metavar="HOME", help="a new folder / 新目录")],
    card: Annotated[CardChoice | None, typer.Option(help="kind of the test cards / 测试卡类型")] = None,
    port_base: Annotated[
        int, typer.Option(min=0, max=65000, help="first port of the simulators; 0: any / 模拟器起始端口")
    ] = 8701,
    production: Annotated[
        bool,
        typer.Option("--production", help="nothing for tests; asks what it needs to know, or takes it from these / 生产环境"),
    ] = False,
    account: Annotated[str, typer.Option(help="its name / 账户名")] = "",
    title: Annotated[str, typer.Option(help="of the enterprise / 企业名称")] = "",
    uscc: Annotated[str, typer.Option(help="统一社会信用代码")] = "",
    customs_code: Annotated[str, typer.Option(help="10 位海关编码")] = "",
    mofcom_code: Annotated[str, typer.Option(help="13 位企业代码")] = "",
    mofcom_url: Annotated[str, typer.Option(help="商务部通道地址")] = "",
    customs_url: Annotated[str, typer.Option(help="海关通道地址")] = "",
    ministries_url: Annotated[str, typer.Option(help="其他部委通道地址")] = "",
    module: Annotated[str, typer.Option(help="the cards' PKCS#11 library / 卡的库")] = "",
) -> None:
    """建立主目录：设置、示例账户、测试卡 / Make a home: settings, a sample account, test cards."""
    given = {"account": account, "title": title, "uscc": uscc, "customs_code": customs_code, "mofcom_code": mofcom_code}
    given |= {"mofcom_url": mofcom_url, "customs_url": customs_url, "ministries_url": ministries_url, "module": module}
    if production:
        from tongguan.gateway.cli.setup.production import found_production

        found_production(folder, given)
        return
    if any(given.values()):
        flags = " ".join("--" + name.replace("_", "-") for name, value in given.items() if value)
        raise CommandWrong(f"{flags} 只和 --production 一起用", f"{flags} are for --production only", code=2)
    try:
        made = homes.make_home(folder, card=card.value if card else None, port_base=port_base, language=context.language())
    except CardBroken as broken:
        raise CommandWrong(
            f"测试卡没有建成：{broken.zh}；可用 --card software", f"no card was made: {broken.en}; try --card software"
        ) from None
    if context.as_json():
        print_json({"home": str(folder), "cards": made.cards, "account": sample.NAME, "mailbox": f"mailboxes/{sample.NAME}"})
        return
    if made.why_software:
        say(f"测试卡用软件密钥：{made.why_software[0]}", f"the test cards are software keys: {made.why_software[1]}")
    place = folder.absolute()
    outbox, home = place / "mailboxes" / sample.NAME / "OutBox", quote(str(place))
    say(
        f"主目录 {place} 已建好。接着：\n  tongguan simulate --fast --home {home} &\n  tongguan run --home {home} &\n"
        f"  把报文放进 {outbox}，再看：tongguan status --home {home}",
        f"home {place} is made. Next:\n  tongguan simulate --fast --home {home} &\n  tongguan run --home {home} &\n"
        f"  drop messages into {outbox}, then: tongguan status --home {home}",
    )


def run(
    only: Annotated[str, typer.Option(help="stations, e.g. inbox,card,route / 只运行这些工位")] = "",
    processes: Annotated[int, typer.Option(min=0, help="1: all in one; 0: as suits the machine / 进程数")] = 0,
) -> int:
    """运行网关（前台）/ Run the gateway in the foreground."""
    # Imported here, so that commands that only look load none of it.
    from tongguan.gateway.cli.logs import leave_standard_output, log_to_stdout
    from tongguan.gateway.daemon.daemon import serve

    log_to_stdout(context.settings().gateway.log)
    _allow_many_files()
    stations = frozenset(name.strip() for name in only.split(",") if name.strip())
    try:
        return serve(context.home(), only=stations or None, processes=processes or None)
    finally:
        leave_standard_output()


def _allow_many_files() -> None:
    """A mailbox keeps its nine folders open; the usual 1,024 files would do for a hundred mailboxes only."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    with suppress(OSError, ValueError):  # where the system takes no such number, the usual one must do
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


def simulate(
    fast: Annotated[bool, typer.Option("--fast", help="steps follow within a tenth of a second / 加速")] = False,
    faults: Annotated[Path | None, typer.Option(help="a file of fault rules / 故障规则文件")] = None,
) -> None:
    """运行商务部和海关的模拟器 / Run the simulators of MOFCOM and customs."""
    from tongguan.gateway.cli.profiles.loading import look_at_types
    from tongguan.simulators.serve import serve
    from tongguan.simulators.settings import FOLDER, WrongSettings

    home = context.home()
    alone = (home / FOLDER).exists() and not (home / homes.SETTINGS).exists()  # authorities without a gateway
    if not alone and context.settings().gateway.environment != "test":
        raise CommandWrong(
            f"{home} 是生产环境，不能运行模拟器", f"{home} is of production: no simulator runs there", code=context.WRONG_SETTINGS
        )
    look_at_types(home)  # what no gateway would begin with, no authority plays
    try:
        serve(home, fast=fast, faults=faults)
    except (WrongSettings, OSError, ValueError) as wrong:
        raise CommandWrong(str(wrong), str(wrong), code=context.WRONG_SETTINGS) from None


def demo(
    messages: Annotated[int, typer.Option(min=0, help="so many declares more / 另加申报数")] = 0,
    keep: Annotated[Path | None, typer.Option(help="make the home there and keep it / 保留主目录")] = None,
    queues: Annotated[bool, typer.Option("--queues", help="through a broker's queue / 经消息队列")] = False,
    broker: Annotated[str, typer.Option(help="with --queues: another one than this machine's / 消息服务器地址")] = "",
) -> int:
    """演示：每种单证的示例走完全程 / Play the examples of every document type from end to end."""
    from tongguan.gateway.cli.demo.delivery import USUAL
    from tongguan.gateway.cli.demo.demo import play

    return play(messages, keep, broker=broker or USUAL if queues or broker else "")
