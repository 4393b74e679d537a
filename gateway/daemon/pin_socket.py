"""A Unix socket over which a person gives a card's PIN: it is tried once, in memory, and never written anywhere."""

from __future__ import annotations

import contextlib
import json
import socket
from collections.abc import Callable
from pathlib import Path

from tongguan.gateway.model.errors import in_both
from tongguan.gateway.system.storage.sockets import socket_name
from tongguan.gateway.system.threads import Begin, WorkMark, begin_thread
from tongguan.signer.cards.pin import Secret, pin_of
from tongguan.signer.errors import PinNeeded, PinWrong

_MOST_BYTES = 4096


class PinDoor:
    """Serves `{"card": name, "pin": "…"}` with `{"ok": bool, "text": …}`, one line each; only the owner may connect."""

    def __init__(self, path: Path, give: Callable[[str, Secret], str]) -> None:
        self._path = path
        self._give = give
        self._socket: socket.socket | None = None

    def start(self, begin: Begin = begin_thread) -> None:
        self._path.unlink(missing_ok=True)
        door = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        with socket_name(self._path) as name:
            door.bind(name)
        self._path.chmod(0o600)  # nobody can connect before it listens
        door.listen(4)
        self._socket = door
        begin("pin", self._serve)

    def stop(self) -> None:
        door, self._socket = self._socket, None
        if door is not None:
            with contextlib.suppress(OSError):
                door.shutdown(socket.SHUT_RDWR)
            door.close()
            with contextlib.suppress(OSError):  # gone, or something else lies there
                self._path.unlink()

    def _serve(self, pulse: WorkMark) -> None:
        while (door := self._socket) is not None:
            try:
                caller, _ = door.accept()
            except OSError:
                if self._socket is None:
                    return
                raise
            with pulse, caller:
                caller.settimeout(10)
                with contextlib.suppress(OSError):
                    caller.sendall(json.dumps(self._answer(caller)).encode() + b"\n")

    def _answer(self, caller: socket.socket) -> dict[str, object]:
        with caller.makefile("rb") as lines:
            line = lines.readline(_MOST_BYTES)
        try:
            asked = json.loads(line)
            name, given = asked["card"], asked["pin"]
            if not (isinstance(name, str) and isinstance(given, str)):
                raise TypeError
        except (ValueError, KeyError, TypeError):
            return {"ok": False, "text": "a line of JSON with card and pin is expected"}
        try:
            return {"ok": True, "text": self._give(name, pin_of(given))}
        except (PinNeeded, PinWrong) as refused:
            return {"ok": False, "text": in_both(refused.zh, str(refused))}
        except Exception as refused:
            return {"ok": False, "text": f"{type(refused).__name__}: {refused}"}
