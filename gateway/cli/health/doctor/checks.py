"""`tongguan doctor` and `tongguan config check`: what the looks at machine, settings and home found, line by line."""

from __future__ import annotations

from tongguan.gateway.cli import context
from tongguan.gateway.cli.health.doctor.doctor import findings, settings_findings
from tongguan.gateway.cli.health.doctor.finding import Finding, tick_off
from tongguan.gateway.cli.output import print_json, print_text


def doctor() -> int:
    """体检：本机是否适合运行 / Is this machine fit? Each ok, or what to do."""
    found = findings()
    tick_off(context.home(), found)
    _tell(found)
    return 0 if all(each.ok for each in found) else 1


def config_check() -> int:
    """检查设置 / Are the settings right? Exit 78 when not."""
    found = settings_findings(context.settings())
    _tell(found)
    return 0 if all(each.ok or each.warning for each in found) else context.WRONG_SETTINGS


def _tell(found: list[Finding]) -> None:
    if context.as_json():
        print_json([{"check": e.check, "ok": e.ok, "warning": e.warning, "text": e.text, "do": e.do} for e in found])
        return
    for each in found:
        print_text(
            f"{'✓' if each.ok else '!' if each.warning else '✗'} {each.check}: {each.text}"
            + (f"\n    {each.do}" if each.do else "")
        )
