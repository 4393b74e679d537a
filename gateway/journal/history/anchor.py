"""The anchor: a signed file outside the database that holds the head of each run's history, and how far numbers were given.

Rows that vanish from the end of a chain, or a database that was put back to an earlier day, are noticed by it. The key that
signs lies in `secrets/anchor.key` of the home; the journal keeps the public keys. What was altered is never signed again: it
is put aside, as evidence.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import orjson
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from tongguan.gateway.journal.database.engine import MEND, UNLOCK
from tongguan.gateway.model.errors import JournalUnfit, TongguanError, in_both
from tongguan.gateway.system import clock, times
from tongguan.gateway.system.storage import files

Heads = dict[str, tuple[int, str]]
"""Run to the number and the hash of its last entry."""
_NUMBERS = "numbers"  #: first word of the last line, which says how far each series was given


@dataclass(frozen=True, slots=True)
class Anchored:
    """What an anchor's bytes say."""

    heads: Heads = field(default_factory=dict)
    numbers: Mapping[str, int] = field(default_factory=dict)


class AnchorWrong(TongguanError):
    """The anchor file is missing or is not what was signed."""


class Anchor:
    """The anchor file of a home. Threads may share it."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._key_file = path.parent / "secrets" / "anchor.key"
        self._lock = threading.Lock()
        self._written = Anchored()  #: last, by us

    def own_keys(self) -> list[str]:
        """The public key of the signing key; empty when there is none that can be read."""
        try:
            return [_public(self._stored())]
        except (OSError, ValueError):
            return []

    def wrong_key(self, known: Collection[str]) -> str | None:
        """What is wrong with the signing key of a journal that knows these public ones, in both languages; None: nothing.

        JournalUnfit when it is another user's.
        """
        try:
            if _public(self._stored()) in known:
                return None
        except FileNotFoundError:
            return in_both("没有 secrets/anchor.key", "secrets/anchor.key is missing")
        except PermissionError as wrong:
            raise _locked(self._key_file, wrong) from None
        except (OSError, ValueError):
            return in_both("secrets/anchor.key 读不出", "secrets/anchor.key cannot be read")
        return in_both("secrets/anchor.key 属于另一日志库", "secrets/anchor.key is another journal's")

    def _stored(self) -> Ed25519PrivateKey:
        return Ed25519PrivateKey.from_private_bytes(bytes.fromhex(files.plain(self._key_file).read_text("ascii")))

    def key(self) -> Ed25519PrivateKey:
        """The signing key; made when there is none yet."""
        try:
            return self._stored()
        except FileNotFoundError:
            pass
        made = Ed25519PrivateKey.generate()
        files.make_folder(self._key_file.parent, 0o700)
        files.write(self._key_file, made.private_bytes_raw().hex().encode(), durable=True, mode=0o600)
        return made

    def public_key(self) -> str:
        return _public(self.key())

    def content(self) -> bytes | None:
        """The file's bytes; None when it is missing, JournalUnfit when it cannot be read."""
        try:
            return files.read(self.path)
        except FileNotFoundError:
            return None
        except PermissionError as wrong:
            raise _locked(self.path, wrong) from None
        except OSError as wrong:
            raise JournalUnfit(f"{self.path}：{wrong.strerror}", f"{self.path}: {wrong.strerror}", do=MEND) from None

    def numbers(self) -> Mapping[str, int]:
        """How far numbers were given, as far as the file can be believed."""
        try:
            return signed(self.content(), self.own_keys()).numbers
        except AnchorWrong:
            return {}

    def altered(self) -> list[str]:
        """Names of anchors that were put aside."""
        return sorted(name for name in os.listdir(self.path.parent) if name.startswith(f"{self.path.name}.altered-"))

    def write(self, heads: Heads, numbers: Mapping[str, int]) -> None:
        """Set the heads of these runs, and how far numbers are; what was said of others stays."""
        with self._lock:
            key = self.key()
            content, before = self.content(), self._written
            if content is not None:
                try:
                    before = signed(content, [_public(key)])
                except AnchorWrong:
                    files.move(self.path, self._aside("altered"))
            self._put(key, Anchored({**before.heads, **heads}, {**before.numbers, **numbers}))

    def begin_anew(self, heads: Heads, numbers: Mapping[str, int]) -> None:
        """After a person accepted what was found: it is kept aside, and what the journal says holds from now on."""
        with self._lock:
            for name in (self.path.name, *self.altered()):
                files.move(self.path.with_name(name), self._aside("accepted", name))
            self._put(self.key(), Anchored(heads, numbers))

    def _aside(self, why: str, name: str = "") -> Path:
        more = name.removeprefix(self.path.name)
        return self.path.with_name(f"{self.path.name}.{why}-{times.stamp(clock.now_ms())}{more}")

    def _put(self, key: Ed25519PrivateKey, anchored: Anchored) -> None:
        said: list[object] = [[run, entry, hash_] for run, (entry, hash_) in anchored.heads.items()]
        lines = b"".join(orjson.dumps(line) + b"\n" for line in (*said, [_NUMBERS, dict(anchored.numbers)]))
        files.write(self.path, lines + key.sign(lines).hex().encode() + b"\n", durable=True, mode=0o600)
        self._written = anchored


def _locked(path: Path, wrong: PermissionError) -> JournalUnfit:
    return JournalUnfit(f"{path}：{wrong.strerror}", f"{path}: {wrong.strerror}", do=UNLOCK)


def _public(key: Ed25519PrivateKey) -> str:
    return key.public_key().public_bytes_raw().hex()


def signed(content: bytes | None, keys: Collection[str]) -> Anchored:
    """What an anchor's bytes say, when one of these public keys has signed them; raises AnchorWrong otherwise."""
    if content is None:
        raise AnchorWrong("没有锚文件", "the anchor file is missing")
    lines, _, signature = content.removesuffix(b"\n").rpartition(b"\n")
    lines += b"\n"
    for key in keys:
        try:
            Ed25519PublicKey.from_public_bytes(bytes.fromhex(key)).verify(bytes.fromhex(signature.decode("ascii")), lines)
        except (InvalidSignature, ValueError):
            continue
        *heads, (_, numbers) = map(orjson.loads, lines.splitlines())
        return Anchored({run: (entry, hash_) for run, entry, hash_ in heads}, numbers)
    raise AnchorWrong("锚文件被改动，或由另一密钥签名", "the anchor file was altered, or signed with another key")
