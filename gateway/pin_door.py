"""A Unix socket over which a person gives a card's PIN: it is tried once, in memory, and never written anywhere."""

from __future__ import annotations

import contextlib
import json
import os
import socket
import threading
from collections.abc import Callable
from pathlib import Path

from tongguan.signer.pin import Secret

_MOST_BYTES = 4096


class PinDoor:
    """Serves `{"card": name, "pin": "…"}` with `{"ok": bool, "text": …}`, one line each; only the owner may connect."""

    def __init__(self, path: Path, give: Callable[[str, Secret], str]) -> None:
        self._path = path
        self._give = give
        self._socket: socket.socket | None = None

    def start(self) -> None:
        self._path.unlink(missing_ok=True)
        door = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        mask = os.umask(0o177)
        try:
            door.bind(os.path.relpath(self._path))
        finally:
            os.umask(mask)
        door.listen(4)
        self._socket = door
        threading.Thread(target=self._serve, args=(door,), name="pin", daemon=True).start()

    def stop(self) -> None:
        if self._socket is not None:
            with contextlib.suppress(OSError):
                self._socket.shutdown(socket.SHUT_RDWR)
            self._socket.close()
            self._path.unlink(missing_ok=True)

    def _serve(self, door: socket.socket) -> None:
        while True:
            try:
                caller, _ = door.accept()
            except OSError:
                return
            with caller:
                caller.settimeout(10)
                with contextlib.suppress(OSError):
                    caller.sendall(json.dumps(self._answer(caller)).encode() + b"\n")

    def _answer(self, caller: socket.socket) -> dict[str, object]:
        with caller.makefile("rb") as lines:
            line = lines.readline(_MOST_BYTES)
        try:
            asked = json.loads(line)
            name, pin = str(asked["card"]), Secret(str(asked["pin"]))
        except (ValueError, KeyError, TypeError):
            return {"ok": False, "text": "a line of JSON with card and pin is expected"}
        try:
            return {"ok": True, "text": self._give(name, pin)}
        except Exception as refused:
            return {"ok": False, "text": f"{type(refused).__name__}: {refused}"}
