"""Code tables of a home, taken up by themselves once they were replaced: rates of a month, a new tariff.

What else is on disk and was not taken up yet (settings, types) is never taken up along with them: then a person says when.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path

from tongguan.gateway.model.errors import SettingsWrong, in_both
from tongguan.gateway.profile.loading import OWN, TABLES, said_by_home
from tongguan.gateway.settings import Settings, read_settings
from tongguan.outbox.alerts import Alerts

Said = Mapping[Path, str]


class TableReload:
    """Looks now and then; `turn` has the settings read again by `again` when nothing but tables is another, twice in a row the same."""

    def __init__(self, settings: Settings, alerts: Alerts, again: Callable[[], None]) -> None:
        self._settings, self._alerts, self._again = settings, alerts, again
        self._tables = {settings.home / TABLES, settings.home / OWN / TABLES}
        self._running: Said = {}  #: nobody knows, where a folder cannot be read now: loading the types complains of it
        with suppress(OSError):
            self._running = said_by_home(self._settings.home)
        self._seen = self._running

    def turn(self) -> None:
        """OSError where a folder cannot be read now."""
        before, self._seen = self._seen, said_by_home(self._settings.home)
        changed = {folder for folder in {*self._seen, *self._running} if self._seen.get(folder) != self._running.get(folder)}
        if not changed & self._tables:
            self._alerts.over("tables")
        elif self._seen == before:  # whoever writes them has come to an end
            self._take_up(alone=changed <= self._tables and self._same_settings())

    def _take_up(self, *, alone: bool) -> None:
        if alone:
            self._running = self._seen  # once: wrong ones are told, and those that run stay
            self._again()
            return
        text = in_both(
            "代码表已更换，但设置或单证类型也有改动，未自动启用",
            "code tables were replaced, and so were settings or types: nothing was taken up",
        )
        self._alerts.tell("tables", text, do="tongguan config check; tongguan reload")

    def _same_settings(self) -> bool:
        try:
            return read_settings(self._settings.home) == self._settings
        except SettingsWrong:
            return False
