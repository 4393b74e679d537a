"""Talk to a PKCS#11 token in a process of its own, started by `token.TokenCard` and by nobody else.

PyKCS11 keeps the interpreter lock during every call of the card, and its licence is not ours: so this file runs alone,
imports nothing of ours, and gets digests (and the PIN, once) through stdin. It ends when stdin ends.

A frame is: length of payload (4 bytes, big-endian), kind (1 byte), payload. Requests are answered in order:

    O  JSON {module, token, key}   one answer: JSON {"tokens": [[flags, [certificates, the key's own first]], …]}
    C  number in that list         chooses a token: one empty answer
    L  PIN                         logs in and does nothing else: one empty answer
    K  nothing                     finds the key: one empty answer
    S  digests of 32 bytes         a signature each; the first fault ends the answers to this request
    P  nothing                     JSON {"flags", "pin": [shortest, longest]}

A fault is a frame of kind "-" with JSON {"kind": gone | closed | pin | broken, "name"}. Every load of the library
is a new one (C_Finalize, C_Initialize): nothing less heals a token that was taken out and put back.
"""

import json
import os
import signal
import sys
from collections.abc import Iterator, Sequence
from typing import Any, BinaryIO

GONE = frozenset(
    {
        "CKR_GENERAL_ERROR",
        "CKR_DEVICE_ERROR",
        "CKR_DEVICE_REMOVED",
        "CKR_TOKEN_NOT_PRESENT",
        "CKR_TOKEN_NOT_RECOGNIZED",
        "CKR_SLOT_ID_INVALID",
        "CKR_SESSION_HANDLE_INVALID",
        "CKR_SESSION_CLOSED",
        "CKR_OBJECT_HANDLE_INVALID",
        "CKR_KEY_HANDLE_INVALID",
        "CKR_CRYPTOKI_NOT_INITIALIZED",
        "CKR_USER_NOT_LOGGED_IN",
    }
)
DIGEST_BYTES = 32
SHA256_DIGEST_INFO = bytes.fromhex("3031300d060960864801650304020105000420")


class TokenFault(Exception):
    """What the process answers when it cannot do as asked."""

    def __init__(self, kind: str, name: str) -> None:
        super().__init__(f"{kind}: {name}")
        self.kind = kind
        self.name = name


def frame(kind: bytes, payload: bytes = b"") -> bytes:
    """Write one frame."""
    return len(payload).to_bytes(4, "big") + kind + payload


def read_frame(stream: BinaryIO) -> tuple[bytes, bytes] | None:
    """Read one frame; None at the end of the stream."""
    head = stream.read(5)
    if len(head) < 5:
        return None
    payload = stream.read(int.from_bytes(head[:4], "big"))
    return head[4:], payload


class Token:
    """Hold the one library, session and key of this process."""

    def __init__(self) -> None:
        import PyKCS11

        self.pkcs11: Any = PyKCS11
        self.library: Any = None
        self.found: list[Any] = []
        self.label = ""
        self.slot: Any = None
        self.session: Any = None
        self.key: Any = None
        self.mechanism: Any = None
        self.prefix = b""

    def answers(self, kind: bytes, payload: bytes) -> Iterator[bytes]:
        """Carry out one request; give its answers one by one, so that a slow card shows each signature at once."""
        if kind == b"S":
            yield from self._sign(payload)
        elif kind == b"O":
            yield json.dumps({"tokens": self._open(**json.loads(payload))}).encode()
        elif kind == b"C":
            self._choose(self.found[int(payload)])
            yield b""
        elif kind == b"L":
            self._login(payload.decode())
            yield b""
        elif kind == b"K":
            self._find_key()
            yield b""
        elif kind == b"P":
            info = self.library.getTokenInfo(self._chosen())
            yield json.dumps({"flags": info.flags, "pin": [info.ulMinPinLen, info.ulMaxPinLen]}).encode()

    def drop(self) -> None:
        """Let token and library go."""
        library, self.library, self.session, self.key, self.slot, self.found = self.library, None, None, None, None, []
        if library is not None:
            library.unload()

    def _open(self, module: str, token: str, key: str) -> list[tuple[int, list[str]]]:
        self.drop()
        self.label = key
        library = self.pkcs11.PyKCS11Lib()
        library.load(module)
        self.library = library
        tokens = []
        for slot in library.getSlotList(tokenPresent=True):
            try:
                info = library.getTokenInfo(slot)
            except self.pkcs11.PyKCS11Error:
                continue  # a foreign card in another reader is no trouble of ours
            if info.flags & self.pkcs11.CKF_TOKEN_INITIALIZED and token in ("", info.label.strip("\0 ")):
                self.found.append(slot)
                tokens.append((info.flags, [each.hex() for each in self._certificates(slot)]))
        if not tokens:
            raise TokenFault("gone", "CKR_TOKEN_NOT_PRESENT")
        return tokens

    def _certificates(self, slot: Any) -> list[bytes]:
        """Read all certificates of a token; the first is the one with the key's label."""
        of = self.pkcs11
        session = self.library.openSession(slot, of.CKF_SERIAL_SESSION)
        try:
            found = session.findObjects([(of.CKA_CLASS, of.CKO_CERTIFICATE)])
            read = [session.getAttributeValue(each, [of.CKA_LABEL, of.CKA_VALUE]) for each in found]
        finally:
            session.closeSession()
        read.sort(key=lambda each: each[0] != self.label)
        return [bytes(value) for label, value in read] if read and read[0][0] == self.label else []

    def _choose(self, slot: Any) -> None:
        self.session = self.library.openSession(slot, self.pkcs11.CKF_SERIAL_SESSION)
        self.slot = slot

    def _chosen(self) -> Any:
        if self.slot is None:
            raise TokenFault("closed", "no token is chosen")
        return self.slot

    def _login(self, pin: str) -> None:
        of = self.pkcs11
        self._chosen()
        try:
            self.session.login(pin)
        except of.PyKCS11Error as error:
            if error.value != of.CKR_USER_ALREADY_LOGGED_IN:
                raise

    def _find_key(self) -> None:
        of = self.pkcs11
        self._chosen()
        keys = self.session.findObjects([(of.CKA_CLASS, of.CKO_PRIVATE_KEY), (of.CKA_LABEL, self.label)])
        if len(keys) != 1:
            raise TokenFault("broken", f"the token holds {len(keys)} private keys labelled {self.label}")
        is_rsa = self.session.getAttributeValue(keys[0], [of.CKA_KEY_TYPE])[0] == of.CKK_RSA
        self.mechanism = of.Mechanism(of.CKM_RSA_PKCS if is_rsa else of.CKM_ECDSA, None)
        self.prefix = SHA256_DIGEST_INFO if is_rsa else b""
        self.key = keys[0]

    def _sign(self, digests: bytes) -> Iterator[bytes]:
        if self.key is None:
            raise TokenFault("closed", "not logged in")
        for start in range(0, len(digests), DIGEST_BYTES):
            digest = digests[start : start + DIGEST_BYTES]
            yield bytes(self.session.sign(self.key, self.prefix + digest, self.mechanism))


def serve(requests: BinaryIO, answers: BinaryIO, most_seconds: int) -> None:
    """Answer requests until they end; the kernel ends this process when one call of the card takes too long."""
    # SIGALRM keeps its default action: it works even while the interpreter lock is held, and with the parent gone.
    limit = getattr(signal, "alarm", lambda seconds: None)
    token: Token | None = None
    while (request := read_frame(requests)) is not None:
        limit(most_seconds)
        try:
            token = token or Token()
            for answer in token.answers(*request):
                answers.write(frame(b"+", answer))
                answers.flush()
                limit(most_seconds)
        except Exception as error:  # whatever the card's library does, the asker must be told
            fault = _fault(error)
            if token is not None and fault.kind in ("gone", "broken"):
                _drop_quietly(token)
            answers.write(frame(b"-", json.dumps({"kind": fault.kind, "name": fault.name}).encode()))
            answers.flush()
        limit(0)


def _fault(error: Exception) -> TokenFault:
    """Name a fault without the texts of foreign exceptions, which could quote what they were given."""
    if isinstance(error, TokenFault):
        return error
    if isinstance(error, ImportError):
        return TokenFault("broken", "PyKCS11 is not installed: tongguan[pkcs11]")
    import PyKCS11

    if not isinstance(error, PyKCS11.PyKCS11Error):
        return TokenFault("broken", type(error).__name__)
    if error.value < 0:
        return TokenFault("broken", "the PKCS#11 library cannot be loaded")
    name = str(PyKCS11.CKR.get(error.value, hex(error.value)))
    return TokenFault("gone" if name in GONE else "pin" if name.startswith("CKR_PIN_") else "broken", name)


def _drop_quietly(token: Token) -> None:
    try:
        token.drop()
    except Exception:  # the library is broken; it is loaded anew next time
        token.library = None


def main(arguments: Sequence[str]) -> int:
    """Serve stdin and stdout; the argument is the most seconds for one call of the card."""
    # A daemon that is told to stop finishes what is in hand and then closes stdin: no signal ends this process before.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    requests = sys.stdin.buffer
    # A card's library may print: only frames may reach the pipe.
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    try:
        serve(requests, answers, int(arguments[0]))
    except BrokenPipeError:
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
