"""Alerts reach people: by mail, by a webhook, by a command. Each way has a thread of its own, and a failing one is an alert itself.

Promises: who tells an alert waits for nobody. What could not be sent is tried again, by then as it stands. In quiet hours only what is
urgent is sent, and after them what still stands: what began and ended meanwhile is left to the alert file.
"""

from __future__ import annotations

import os
import socket
import subprocess
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import orjson

from tongguan.gateway.model.errors import TongguanError, in_both
from tongguan.gateway.settings import AlertCommand, AlertMail, AlertWebhook
from tongguan.gateway.system import clock, logs, times
from tongguan.gateway.system.printed import at_home
from tongguan.outbox.alerts import AlertKey, AlertNotice, Alerts

MOST_AT_ONCE = 50  #: alerts in one message; more are counted
FIRST_WAIT, LONGEST_WAIT = 5.0, 300.0  #: seconds before a further try
_LOOK = 30.0  #: seconds between two looks at whether quiet hours are over
CODE = "channel"
_DAY_MS, _EAST_MS = 86_400_000, 28_800_000

log = logs.get_logger("alerts")
ChannelSettings = AlertMail | AlertWebhook | AlertCommand


class AlertNotSent(TongguanError):
    """The way does not work now; the text says why."""


@dataclass(frozen=True, slots=True)
class AlertDigest:
    """What is told at once: alerts of one gateway, and how many more there are."""

    notices: Sequence[AlertNotice]
    more: int
    environment: str
    home: Path
    language: str

    @property
    def subject(self) -> str:
        """One line that says what is worst, or that all of it is over."""
        first = next((each for each in self.notices if not each.over), self.notices[0])
        text = f"{self._word(first)} {first.code}: {first.text.splitlines()[0] if first.text else first.about}"
        others = len(self.notices) - 1 + self.more
        return f"[{self._name} {self.environment}] {text}" + (f" (+{others})" if others else "")

    @property
    def text(self) -> str:
        """Everything, for a person."""
        zh = self.language != "en"
        lines = [f"{self._name} {self.environment} {socket.gethostname()}:{self.home}"]
        for each in self.notices:
            lines += ["", f"{self._word(each)} {each.code} {each.about}".rstrip(), each.text]
            since = f"{times.show(each.since)}"[:19].replace("T", " ")
            lines.append(f"自 {since}" if zh else f"since {since}")
            lines += [f"{'请执行' if zh else 'type'}: {each.do}"] if each.do and not each.over else []
        if self.more:
            see = at_home("tongguan status", self.home)
            lines += ["", f"另有 {self.more} 条：{see}" if zh else f"{self.more} more: {see}"]
        return "\n".join(line for line in lines)

    @property
    def facts(self) -> list[dict[str, Any]]:
        """The same for a program, as the alert file has it."""
        return [
            {
                "at": times.show(each.at),
                "code": each.code,
                "about": each.about,
                "text": each.text,
                "do": each.do,
                "since": times.show(each.since),
                "held_back": each.held_back,
                "over": each.over,
            }
            for each in self.notices
        ]

    @property
    def _name(self) -> str:
        return "Tongguan" if self.language == "en" else "通关网关"

    def _word(self, notice: AlertNotice) -> str:
        begun, again, over = ("ALERT", "STILL", "OVER") if self.language == "en" else ("告警", "仍在", "结束")
        return over if notice.over else again if notice.at - notice.since > 60_000 and notice.held_back else begun


class AlertSender(Protocol):
    """A way to people; `send` takes its time, at most its `timeout` a step, and raises AlertNotSent."""

    def send(self, digest: AlertDigest) -> None: ...


class AlertChannel:
    """One way's pending alerts, and the thread's turn that sends them."""

    def __init__(
        self,
        settings: ChannelSettings,
        sender: AlertSender,
        alerts: Alerts,
        make: Callable[[Sequence[AlertNotice], int], AlertDigest],
        *,
        now_ms: Callable[[], int] = clock.now_ms,
    ) -> None:
        self.name, self._settings, self._sender, self._alerts = settings.name, settings, sender, alerts
        self._make, self._now_ms = make, now_ms
        self._lock, self._bell = threading.Lock(), threading.Event()
        self._pending: dict[AlertKey, AlertNotice] = {}
        self._told = alerts.told()  #: what people know of here and was not over yet
        self._tried: set[AlertKey] = set()  #: what is being sent, or could not be, and perhaps was
        self._failures, self._not_before = 0, 0.0

    def put(self, notice: AlertNotice) -> None:
        """Hear of an alert: of one thing only the last is kept."""
        key = (notice.code, notice.about)
        if (self._settings.codes and notice.code not in self._settings.codes) or key == (CODE, self.name):
            return
        with self._lock:
            if notice.over and key not in self._told | self._tried:
                self._pending.pop(key, None)  # nobody was told of it
            else:
                self._pending[key] = notice
        self._bell.set()

    def follow(self, before: AlertChannel) -> None:
        """Go on where the same way of the settings before stands."""
        with before._lock:
            pending, told = dict(before._pending), before._told | before._tried
        with self._lock:
            self._pending, self._told = {**pending, **self._pending}, told | self._told

    def turn(self) -> bool:
        """Send what is due; whether there was anything."""
        self._bell.clear()
        if clock.monotonic() < self._not_before:
            return False
        with self._lock:
            due = {key: each for key, each in self._pending.items() if not self._quiet() or each.code in self._settings.urgent}
            self._tried |= due.keys()  # its end may come while it is being sent
        if not due:
            return False
        notices = sorted(due.values(), key=lambda each: (each.over, each.at))
        try:
            self._sender.send(self._make(notices[:MOST_AT_ONCE], len(notices[MOST_AT_ONCE:])))
        except Exception as wrong:
            self._failed(wrong)
            return False
        self._failures, self._not_before = 0, 0.0
        with self._lock:
            self._pending = {key: each for key, each in self._pending.items() if due.get(key) is not each}
            self._told = (self._told | due.keys()) - {key for key, each in due.items() if each.over}
            self._tried -= due.keys()
        self._alerts.over("channel", self.name)
        log.info("alerts sent", channel=self.name, alerts=len(notices))
        return True

    def wait(self) -> None:
        self._bell.wait(min(_LOOK, max(0.2, self._not_before - clock.monotonic())) if self._failures else _LOOK)

    def wake(self) -> None:
        self._bell.set()

    def _failed(self, wrong: Exception) -> None:
        self._failures += 1
        self._not_before = clock.monotonic() + min(LONGEST_WAIT, FIRST_WAIT * 2.0 ** (self._failures - 1))
        zh, en = (wrong.zh, wrong.en) if isinstance(wrong, TongguanError) else (f"{type(wrong).__name__}: {wrong}",) * 2
        text = in_both(f"告警渠道 {self.name} 送不出：{zh}", f"alerts cannot be sent by {self.name}: {en}")
        self._alerts.tell("channel", text, do=f"tongguan alerts test {self.name}", about=self.name)
        log.warning("alerts not sent", channel=self.name, why=en)

    def _quiet(self) -> bool:
        if not self._settings.quiet:
            return False
        begins, ends = (times.daytime_ms(each) for each in self._settings.quiet.split("-"))
        now = (self._now_ms() + _EAST_MS) % _DAY_MS
        return begins <= now < ends if begins <= ends else now >= begins or now < ends


class CommandSender:
    """Runs a program, no shell: the alerts as JSON on its standard input; it ends with 0 when it has told them."""

    def __init__(self, settings: AlertCommand, home: Path) -> None:
        self._run, self._timeout, self._home = settings.run, settings.timeout.total_seconds(), home

    def send(self, digest: AlertDigest) -> None:
        given = {"schema": 1, "subject": digest.subject, "text": digest.text, "alerts": digest.facts}
        told = {"TONGGUAN_HOME": str(self._home), "TONGGUAN_ENVIRONMENT": digest.environment}
        try:
            done = subprocess.run(
                self._run,
                input=orjson.dumps(given),
                capture_output=True,
                cwd=self._home,
                env={**os.environ, **told},
                timeout=self._timeout,
                check=False,
            )
        except subprocess.TimeoutExpired:
            seconds = f"{self._timeout:g}"
            raise AlertNotSent(f"{self._run[0]} {seconds} 秒没有结束", f"{self._run[0]} did not end in {seconds} s") from None
        except OSError as wrong:
            raise AlertNotSent(f"{self._run[0]}：{wrong.strerror}", f"{self._run[0]}: {wrong.strerror}") from None
        if done.returncode:
            said = (done.stderr or done.stdout).decode("utf-8", "replace").strip()[-200:]
            raise AlertNotSent(
                f"{self._run[0]} 以 {done.returncode} 结束：{said}", f"{self._run[0]} ended with {done.returncode}: {said}"
            )
