"""The anchor: a signed file outside the database that holds the head of each run's history.

Rows that vanish from the end of a chain, or a database that was put back to an earlier day, are noticed by it. The key that
signs lies in `secrets/anchor.key` of the home; the journal keeps the public keys. What was altered is never signed again: it
is put aside, as evidence.
"""

from __future__ import annotations

import os
from collections.abc import Collection
from pathlib import Path

import orjson
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from tongguan.gateway.kernel import clock, files

Heads = dict[str, tuple[int, str]]
"""Run to the number and the hash of its last entry."""


class AnchorWrong(Exception):
    """The anchor file is missing or is not what was signed."""


class Anchor:
    """The anchor file of a home."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._key_file = path.parent / "secrets" / "anchor.key"

    def key(self) -> Ed25519PrivateKey:
        """The signing key; made when there is none yet."""
        try:
            return Ed25519PrivateKey.from_private_bytes(bytes.fromhex(self._key_file.read_text("ascii")))
        except FileNotFoundError:
            pass
        made = Ed25519PrivateKey.generate()
        self._key_file.parent.mkdir(mode=0o700, exist_ok=True)
        files.write(self._key_file, made.private_bytes_raw().hex().encode(), durable=True, mode=0o600)
        return made

    def public_key(self) -> str:
        return self.key().public_key().public_bytes_raw().hex()

    def content(self) -> bytes | None:
        """The file's bytes; None when it is missing."""
        try:
            return self.path.read_bytes()
        except FileNotFoundError:
            return None

    def altered(self) -> list[str]:
        """Names of anchors that were put aside."""
        return sorted(name for name in os.listdir(self.path.parent) if name.startswith(f"{self.path.name}.altered-"))

    def write(self, run: str, entry: int, hash_: str) -> None:
        """Set the head of one run; the other runs' heads stay."""
        key = self.key()
        content = self.content()
        heads: Heads = {}
        if content is not None:
            try:
                heads = signed_heads(content, [key.public_key().public_bytes_raw().hex()])
            except AnchorWrong:
                files.move(self.path, self.path.with_name(f"{self.path.name}.altered-{clock.stamp(clock.now_ms())}"))
        heads[run] = (entry, hash_)
        lines = b"".join(orjson.dumps([r, e, h]) + b"\n" for r, (e, h) in heads.items())
        files.write(self.path, lines + key.sign(lines).hex().encode() + b"\n", durable=True)


def signed_heads(content: bytes | None, keys: Collection[str]) -> Heads:
    """The heads in an anchor's bytes, when one of these public keys has signed them; raises AnchorWrong otherwise."""
    if content is None:
        raise AnchorWrong("the anchor file is missing")
    lines, _, signature = content.removesuffix(b"\n").rpartition(b"\n")
    lines += b"\n"
    for key in keys:
        try:
            Ed25519PublicKey.from_public_bytes(bytes.fromhex(key)).verify(bytes.fromhex(signature.decode("ascii")), lines)
        except (InvalidSignature, ValueError):
            continue
        return {run: (entry, hash_) for run, entry, hash_ in map(orjson.loads, lines.splitlines())}
    raise AnchorWrong("the anchor file was altered, or signed with another key")
