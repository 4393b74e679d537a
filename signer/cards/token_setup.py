"""Make a new soft token with a key pair inside, in a process of its own: for `tongguan init`, simulators and tests.

Reads one line of JSON from stdin (module, token, pin, so_pin, key, curve), makes the token and the key, writes a line with the
public key; reads a second line with the certificates (hex, the key's own first) and stores them. The private key is sensitive and cannot be
taken out. A token that has the label already is refused: nothing is ever overwritten.
"""

import json
import os
import sys
from typing import Any, TextIO

P256 = bytes.fromhex("06082a8648ce3d030107")
KEY_ID = (1,)


def make_key(of: Any, session: Any, label: str, *, elliptic: bool) -> Any:
    """Generate a key pair that never leaves the token; give the public key's handle."""
    common = [(of.CKA_TOKEN, True), (of.CKA_LABEL, label), (of.CKA_ID, KEY_ID)]
    public = [*common, (of.CKA_PRIVATE, False), (of.CKA_VERIFY, True)]
    secret = [(of.CKA_PRIVATE, True), (of.CKA_SENSITIVE, True), (of.CKA_EXTRACTABLE, False), (of.CKA_SIGN, True)]
    if elliptic:
        public += [(of.CKA_KEY_TYPE, of.CKK_EC), (of.CKA_EC_PARAMS, P256)]
        mechanism = of.Mechanism(of.CKM_EC_KEY_PAIR_GEN, None)
    else:
        public += [(of.CKA_MODULUS_BITS, 2048), (of.CKA_PUBLIC_EXPONENT, (1, 0, 1))]
        mechanism = of.MechanismRSAGENERATEKEYPAIR
    handle, _ = session.generateKeyPair(public, [*common, *secret], mecha=mechanism)
    return handle


def public_key(of: Any, session: Any, handle: Any, *, elliptic: bool) -> dict[str, str]:
    """Read the public key: the curve point without its DER head, or modulus and exponent, all in hex."""
    if elliptic:
        (point,) = session.getAttributeValue(handle, [of.CKA_EC_POINT])
        return {"point": bytes(point)[2:].hex()}
    modulus, exponent = session.getAttributeValue(handle, [of.CKA_MODULUS, of.CKA_PUBLIC_EXPONENT])
    return {"modulus": bytes(modulus).hex(), "exponent": bytes(exponent).hex()}


def store(of: Any, session: Any, label: str, certificate: bytes, *, identity: tuple[int, ...]) -> None:
    """Write a certificate object that anyone may read without the PIN."""
    session.createObject(
        [
            (of.CKA_CLASS, of.CKO_CERTIFICATE),
            (of.CKA_CERTIFICATE_TYPE, of.CKC_X_509),
            (of.CKA_TOKEN, True),
            (of.CKA_PRIVATE, False),
            (of.CKA_LABEL, label),
            (of.CKA_ID, identity),
            (of.CKA_SUBJECT, b"\x30\x00"),
            (of.CKA_VALUE, certificate),
        ]
    )


def main(requests: TextIO, answers: TextIO) -> None:
    """Make the token that the requests describe."""
    import PyKCS11 as of

    wanted = json.loads(requests.readline())
    library = of.PyKCS11Lib()
    library.load(wanted["module"])
    free = None
    for slot in library.getSlotList(tokenPresent=True):
        info = library.getTokenInfo(slot)
        if info.label.strip("\0 ") == wanted["token"]:
            raise SystemExit(f"a token {wanted['token']} is there already")
        if not info.flags & of.CKF_TOKEN_INITIALIZED:
            free = slot
    if free is None:
        raise SystemExit("the library has no free slot for a new token")
    library.initToken(free, wanted["so_pin"], wanted["token"])
    session = library.openSession(free, of.CKF_SERIAL_SESSION | of.CKF_RW_SESSION)
    session.login(wanted["so_pin"], of.CKU_SO)
    session.initPin(wanted["pin"])
    session.logout()
    session.login(wanted["pin"])
    elliptic = wanted["key_type"] == "p-256"
    handle = make_key(of, session, wanted["key"], elliptic=elliptic)
    answers.write(json.dumps(public_key(of, session, handle, elliptic=elliptic)) + "\n")
    answers.flush()
    chain = [bytes.fromhex(each) for each in json.loads(requests.readline())]
    store(of, session, wanted["key"], chain[0], identity=KEY_ID)
    for above, certificate in enumerate(chain[1:], start=1):
        store(of, session, f"{wanted['key']} issuer {above}", certificate, identity=(1, above))
    session.logout()


if __name__ == "__main__":
    pipe = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    main(sys.stdin, pipe)
