"""What must be declared soon, or should have been: told in time, loud once it is late, and shown in the heartbeat."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from datetime import date
from typing import Any

from tongguan.gateway.flow.merging.deadlines import Undeclared, declarants, merging_types, undeclared
from tongguan.gateway.flow.site import Site
from tongguan.gateway.model.errors import in_both
from tongguan.gateway.system import times
from tongguan.outbox.alerts import Alerts


class DeadlineWatch:
    """Looks from one thread; `shown` from any."""

    def __init__(self, site: Site, alerts: Alerts) -> None:
        self._site, self._alerts = site, alerts
        self.shown: list[dict[str, Any]] = []  #: by account, type and month: until when, how many documents, is it late

    def look(self) -> None:
        """Every month of every account in which something is not declared yet."""
        today = times.china_date(self._site.business.now_ms())
        months = Counter((one.account, one.type, one.month, one.deadline) for one in self._undeclared())
        self.shown = [
            {"account": account, "type": type_, "month": month, "deadline": until, "documents": n, "late": "" < until < today}
            for (account, type_, month, until), n in sorted(months.items(), key=lambda each: (each[0][3], each[0]))
        ]
        told = {_about(each): each for each in self.shown if self._is_told(each["deadline"], today)}
        for about, each in told.items():
            self._alerts.tell("month", self._text(each), do=f"tongguan deadlines --account {each['account']}", about=about)
        self._alerts.only("month", told)

    def _undeclared(self) -> Iterator[Undeclared]:
        rules = self._site.rules
        with self._site.journal.search() as records:
            accounts = declarants(rules, records)
            for types in merging_types(rules):
                yield from undeclared(types, accounts, records)

    def _is_told(self, until: str, today: str) -> bool:
        warn = self._site.rules.settings.schedule.warn.days
        return bool(until) and date.fromisoformat(until).toordinal() - warn <= date.fromisoformat(today).toordinal()

    def _text(self, each: dict[str, Any]) -> str:
        title, n, until = self._site.rules.profile(each["type"]).title, each["documents"], each["deadline"]
        subject = f"{each['account']} {each['month']}"
        if each["late"]:
            zh = f"已逾期：{subject} 有 {n} 份{title.zh}未申报，期限为 {until}"
            return in_both(zh, f"late: {subject}: {n} not declared ({title.en}), which had to be by {until}")
        zh = f"{subject} 有 {n} 份{title.zh}未申报，期限为 {until}"
        return in_both(zh, f"{subject}: {n} not declared yet ({title.en}); they must be by {until}")


def _about(each: dict[str, Any]) -> str:
    return " ".join((each["account"], each["type"], each["month"], each["deadline"]))
