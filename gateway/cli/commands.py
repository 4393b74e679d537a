"""All commands by name."""

from __future__ import annotations

import typer

from tongguan.gateway.cli import cards, checking, condition, documents, looking, measuring, ordering, pins, starting, types
from tongguan.gateway.cli import quarantine as receipts
from tongguan.gateway.cli.here import command


def _group(name: str, text: str) -> typer.Typer:
    made = typer.Typer(name=name, help=text, no_args_is_help=True, pretty_exceptions_enable=False)
    app.add_typer(made)
    return made


app = typer.Typer(
    name="tongguan",
    help="通关网关 / a gateway between enterprises and the Single Window's authorities",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)

command(app, "init", homeless=True)(starting.init)
command(app, "demo", homeless=True)(starting.demo)
command(app, "run")(starting.run)
command(app, "simulate")(starting.simulate)
command(app, "check")(checking.check)
command(app, "bench", homeless=True)(measuring.bench)

command(app, "list")(looking.list_messages)
command(app, "show")(looking.show)
command(app, "timeline")(looking.timeline)
command(app, "answers")(looking.answers)
command(app, "documents")(documents.documents)

command(app, "hold")(ordering.acting("hold", "暂停处理报文", "Hold messages for a person"))
command(app, "release")(ordering.acting("release", "放行停留的报文", "Let held messages go on"))
command(app, "retry")(ordering.acting("retry", "立即重试", "Try again now"))
command(app, "stop")(ordering.acting("stop", "停止尚未生效的报文", "Stop messages before they take effect"))
command(app, "give-up")(ordering.acting("give-up", "放弃报文", "Give messages up"))
command(app, "pause")(ordering.switching("pause", "暂停账户或通道", "Pause an account or a route"))
command(app, "resume")(ordering.switching("resume", "恢复账户或通道", "Resume an account or a route"))

quarantine = _group("quarantine", "隔离的回执 / receipts that are not believed")
command(quarantine, "list")(receipts.list_receipts)
command(quarantine, "show")(receipts.show)
command(quarantine, "apply")(receipts.acting("apply", "重新验证并应用", "Verify again, and apply if it is right now"))
command(quarantine, "drop")(receipts.acting("drop", "丢弃", "Drop it"))

card = _group("card", "卡 / cards: what is in the readers, bind, test, PIN")
command(card, "list")(cards.list_cards)
command(card, "bind")(cards.bind)
command(card, "test")(cards.test)
command(card, "pin")(pins.pin)

command(app, "profiles")(types.profiles)
command(app, "status")(condition.status)
command(app, "doctor")(condition.doctor)
command(_group("config", "设置 / settings"), "check")(condition.config_check)
command(_group("audit", "审计 / the history"), "verify")(condition.audit_verify)
