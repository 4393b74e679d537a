"""The command that measures this machine: bench."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

import typer

from tongguan.gateway.cli.context import CommandWrong
from tongguan.gateway.cli.demo.processes import end_in_order
from tongguan.gateway.cli.logs import only_trouble
from tongguan.gateway.cli.output import print_text


class Measurement(StrEnum):
    E2E = "e2e"
    ACCEPT = "accept"
    IDLE = "idle"
    MEMORY = "memory"
    VERIFY = "verify"
    STATISTICS = "statistics"
    TAKE = "take"
    LISTS = "lists"
    WAKING = "waking"
    MERGE = "merge"
    DOCUMENTS = "documents"


def bench(
    part: Annotated[
        Measurement,
        typer.Argument(
            help="e2e: drop to receipt; accept: read, seal, commit; idle: one at a time; memory: after few and after many;"
            " verify: receipts; statistics: licences; take: of licences;"
            " lists: beside other messages of their length; waking: filings that wait for one approval;"
            " merge: of so many lines of lists, and what it costs others;"
            " documents: papers of declarations, beside their signing alone / 项目"
        ),
    ] = Measurement.E2E,
    messages: Annotated[int, typer.Option(min=1, help="how many / 报文数")] = 2000,
    key: Annotated[str, typer.Option(help="software | token | milliseconds a signature / 密钥")] = "software",
    delay: Annotated[int, typer.Option(min=0, help="the endpoint answers after so many milliseconds / 端点延迟")] = 0,
    waiting: Annotated[int, typer.Option(min=0, help="files that wait behind the measured ones / 另有等待的文件数")] = 0,
    batch: Annotated[int, typer.Option(min=1, max=500, help="messages in one file / 每个文件的报文数")] = 1,
    rounds: Annotated[int, typer.Option(min=1, help="so many times; the median is told / 轮数")] = 1,
    processes: Annotated[int, typer.Option(min=0, help="of the gateway; 0: as suits the machine / 网关进程数")] = 0,
    broker: Annotated[str, typer.Option(help="messages by its queue, in turn with files / 经消息服务器，与文件交替")] = "",
    full: Annotated[bool, typer.Option("--full", help="against the full simulators / 对完整模拟器")] = False,
) -> None:
    """测量本机速度，每次一行 / Measure this machine's rate, one line a run."""
    # Imported here: it brings the journal, the simulators' keys and signxml along.
    from tongguan.gateway.bench.bench import Run, measure

    if key not in ("software", "token") and not (key.isascii() and key.isdecimal()):
        raise CommandWrong("--key 应为 software、token 或毫秒数", "--key is software, token or a number of milliseconds")
    only_trouble()
    end_in_order()
    print_text(measure(Run(part.value, messages, key, delay, full, waiting, batch, rounds, processes, broker)))
