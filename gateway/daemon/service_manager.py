"""What a service manager is told (sd_notify): that the gateway is ready, alive, reading its settings anew, or ending. Without one, nobody is."""

from __future__ import annotations

import os
import socket

from tongguan.gateway.system import clock

_EVERY = 1.0  #: seconds between two signs of life


class ServiceManager:
    """Says what is so to the socket that `NOTIFY_SOCKET` names, with which systemd starts a service of `Type=notify`."""

    def __init__(self) -> None:
        self._address = os.environ.get("NOTIFY_SOCKET", "")
        self._alive_at = -_EVERY

    def ready(self) -> None:
        self._say("READY=1")

    def reloading(self) -> None:
        self._say("STATUS=reading the settings anew")

    def running(self) -> None:
        self._say("STATUS=running")

    def stopping(self) -> None:
        self._say("STOPPING=1")

    def alive(self) -> None:
        """A sign of life, for the watchdog; from a thread that sees that the others are there."""
        now = clock.monotonic()
        if now - self._alive_at >= _EVERY:
            self._alive_at = now
            self._say("WATCHDOG=1")

    def _say(self, words: str) -> None:
        if not self._address:
            return
        address = "\0" + self._address[1:] if self._address.startswith("@") else self._address
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as line:
                line.setblocking(False)
                line.sendto(words.encode(), address)
        except OSError:
            return  # a manager that does not listen must not keep us from working
