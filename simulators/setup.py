"""Make the simulators of a home: keys and certificates of the authorities, and ``simulators.toml`` with sample records."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import NameOID

from tongguan.simulators.messages.signing import Key
from tongguan.simulators.script.durations import stamp
from tongguan.simulators.settings import AUTHORITIES, FILE, FOLDER

PORTS = {"mofcom": 8701, "customs": 8702, "ministries": 8703}
TITLES = {"mofcom": "商务部（模拟）", "customs": "海关总署（模拟）", "ministries": "各主管部门（模拟）"}
_LIFE = timedelta(days=3650)
TEST_ONLY = "TONGGUAN TEST ONLY"  #: organizational unit of our certificates: whoever is in production knows them by it

_HEAD = """\
# The authorities of this home, played by `tongguan simulate`. For tests only: anything but "test" is refused.
environment = "test"
fast = false                       # true: a step takes a tenth of a second
admin_token = "{token}"            # for PUT /v1/admin/faults
"""

_ENDPOINT = """
[{name}]
host = "127.0.0.1"
port = {port}                        # 0: a free one, told in ports.json
key = "{name}.key"
certificate = "{name}.pem"
store = "{name}.db"
token = ""                         # not empty: callers must send it as a bearer token
encryption_key = "{name}-encryption.key"
encryption_certificate = "{name}-encryption.pem"
encrypted = false                  # true: clear text is refused
"""

_REGISTRATION = """
[[registration]]                   # MOFCOM's own books: registered there before, at another door
number = "{one.mofcom_code}"
name = "{one.title}"
credit_code = "{one.uscc}"
organization_code = "{organization}"
level = "3"
filing = "2019-{place:04d}"
filed = "2019-05-06"
province = "21"
scope = "机电产品的进出口贸易"
account = "{one.mofcom_code}"
contact = "王示例"
phone = "0411-80000001"
province_office = "2100"
city_office = "2102"
"""

_RECORDS = """
# Customs' own books. `count = N` stands for N records with numbers going up by one.

[[declaration]]                    # good ones: not released, the sample enterprise's own
entry = "090220261000000001"
count = 99
consignee = "{consignee}"
port = "0902"
released = false

[[declaration]]                    # good ones: not released, the sample enterprise's own
entry = "090220261000001001"
count = 999
consignee = "{consignee}"
port = "0902"
released = false

[[declaration]]                    # released already
entry = "090220261000000201"
count = 99
consignee = "{consignee}"
port = "0902"
released = true

[[declaration]]                    # another enterprise's
entry = "090220261000000301"
count = 99
consignee = "2102960099"
port = "0902"
released = false

[[declaration]]                    # at a port outside the pilot
entry = "530120261000000401"
count = 9
consignee = "{consignee}"
port = "5301"
released = false

[[declaration]]                    # cleared ones, of which papers are made
entry = "090820261000002001"
count = 1000
consignee = "{consignee}"
port = "0908"
released = true
declared = "{today}"
cleared = "{today}"

[[declaration]]                    # cleared, of eight lines of goods
entry = "090820260000002001"
count = 9
consignee = "{consignee}"
port = "0908"
released = true
declared = "{today}"
cleared = "{today}"
lines = 8

[[declaration]]                    # released, not cleared yet
entry = "090820261000003001"
count = 9
consignee = "{consignee}"
port = "0908"
released = true
declared = "{today}"
cleared = ""

[[declaration]]                    # of an edition of the form that no papers are made of
entry = "090820261000003101"
count = 9
consignee = "{consignee}"
port = "0908"
released = true
declared = "{today}"
cleared = "{today}"
edition = "old"

[[declaration]]                    # longer ago than customs keeps them
entry = "090820201000000001"
consignee = "{consignee}"
port = "0908"
released = true
declared = "2020-03-02"
cleared = "2020-03-05"

[[bill]]                           # good ones
number = "DEMOBL0001"
count = 99
port = "0902"

[[bill]]                           # at a port outside the pilot
number = "FARBL0001"
port = "5301"

[[bonded_account]]                 # goods of an account or manual, by their number there
number = "C09082600001"
owner = "{consignee}"
CustomMaster = "0908"
TradeMode = "0615"

[[bonded_account.DecList]]
GNo = "1"
CodeTS = "8542319000"
GName = "集成电路"
GModel = "处理器|示例牌|EX-1"
GUnit = "007"
FirstUnit = "007"
SecondUnit = "035"

[[bonded_account.DecList]]
GNo = "2"
CodeTS = "8517130000"
GName = "手机"
GModel = "智能手机|示例牌|EX-M1"
GUnit = "001"
FirstUnit = "001"
SecondUnit = "035"

[[bonded_account.DecList]]         # no longer used
GNo = "3"
CodeTS = "8542329000"
GName = "存储器"
GModel = "存储器|示例牌|EX-S1"
GUnit = "007"
FirstUnit = "007"
SecondUnit = "035"
Stopped = "1"

[[bonded_account]]                 # another enterprise's
number = "C09082600099"
owner = "2102960099"
CustomMaster = "0908"
TradeMode = "0615"

[[manifest]]                       # 舱单, by bill of lading
number = "EXBL26110001"
count = 99
TrafName = "EXAMPLE STAR"
VoyNo = "2611W"
PackNo = "40"
GrossWet = "820.5"
NetWt = "780"

[[permit]]                         # a licence that customs has had all along
number = "26AA100001"
codes = ["7"]
direction = "import"
trader = "{consignee}"

[[permit.goods]]
code = "0306143000"
name = "冻蟹"
unit = "035"
quantity = "1000000"

[[office]]
number = "0901"
name = "大连港湾"

[[office]]
number = "0902"
name = "大连机场"

[[office]]
number = "0908"
name = "连大窑湾"

[[office]]
number = "5301"
name = "皇岗海关"
"""


@dataclass(frozen=True)
class SampleCard:
    """A card to be registered with an authority; ``certificate`` is PEM."""

    authority: str
    number: str
    certificate: bytes


@dataclass(frozen=True)
class SampleEnterprise:
    """An enterprise that the authorities shall know."""

    name: str
    uscc: str
    mofcom_code: str
    customs_code: str
    cards: tuple[SampleCard, ...] = ()
    title: str = ""


def make_simulators(home: Path, enterprises: Sequence[SampleEnterprise], *, ports: dict[str, int] | None = None) -> None:
    """Write ``HOME/simulators/`` and the authorities' certificates into ``HOME/trust/``.

    ``ports`` are told apart by authority, default 8701 to 8703; one that they do not name gets a free one. Sample declarations
    belong to the first enterprise. An existing ``simulators.toml`` is never overwritten: FileExistsError.
    """
    folder = home / FOLDER
    (folder / "cards").mkdir(parents=True, exist_ok=True)
    (home / "trust").mkdir(exist_ok=True)
    with (folder / FILE).open("x", encoding="utf-8") as file:
        file.write(_written(folder, enterprises, {name: (ports or PORTS).get(name, 0) for name in AUTHORITIES}))
    for name in AUTHORITIES:
        _keep(home, name, _signing_key(name))
        _keep(home, f"{name}-encryption", rsa.generate_private_key(65537, 2048), encrypts=True)


def _written(folder: Path, enterprises: Sequence[SampleEnterprise], ports: dict[str, int]) -> str:
    parts = ['pilot_ports = ["0901", "0902", "0903", "0904", "0906"]\n']
    parts += [_ENDPOINT.format(name=name, port=port) for name, port in ports.items()]
    for one in enterprises:
        parts.append(_enterprise(folder, one))
    known = [one for one in enterprises if one.mofcom_code]
    parts += [_REGISTRATION.format(one=one, organization=one.uscc[8:17], place=n) for n, one in enumerate(known, 1)]
    today = stamp(datetime.now(UTC).timestamp())[:10]
    parts.append(_RECORDS.format(consignee=enterprises[0].customs_code if enterprises else "2102960001", today=today))
    return _HEAD.format(token=secrets.token_urlsafe(24)) + "".join(parts)


def _enterprise(folder: Path, one: SampleEnterprise) -> str:
    lines = ["\n[[enterprise]]"]
    for name in ("name", "uscc", "mofcom_code", "customs_code"):
        lines.append(f'{name} = "{getattr(one, name)}"')
    for place, card in enumerate(one.cards, 1):
        file = f"cards/{one.name}-{card.authority}-{place}.pem"
        (folder / file).write_bytes(card.certificate)
        lines += [
            "[[enterprise.card]]",
            f'authority = "{card.authority}"',
            f'number = "{card.number}"',
            f'certificate = "{file}"',
        ]
    return "\n".join(lines) + "\n"


def _signing_key(name: str) -> Key:
    """One authority signs with RSA, the others with P-256: whoever verifies must know both."""
    return rsa.generate_private_key(65537, 2048) if name == AUTHORITIES[0] else ec.generate_private_key(ec.SECP256R1())


def _keep(home: Path, name: str, key: Key, *, encrypts: bool = False) -> None:
    """Write a key with its certificate, and the certificate to where the gateway looks for it."""
    pem = self_signed(TITLES[name.removesuffix("-encryption")], key, encrypts=encrypts).public_bytes(serialization.Encoding.PEM)
    private = home / FOLDER / f"{name}.key"
    private.touch(mode=0o600)
    private.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    (home / FOLDER / f"{name}.pem").write_bytes(pem)
    (home / "trust" / f"{name}.pem").write_bytes(pem)


def self_signed(title: str, key: Key, *, encrypts: bool = False) -> x509.Certificate:
    """Make a certificate that vouches for itself, for signing or for encrypting to."""
    named = [(NameOID.COUNTRY_NAME, "CN"), (NameOID.ORGANIZATIONAL_UNIT_NAME, TEST_ONLY), (NameOID.COMMON_NAME, title)]
    name = x509.Name([x509.NameAttribute(oid, value) for oid, value in named])
    now = datetime.now(UTC)
    usage = x509.KeyUsage(
        digital_signature=not encrypts,
        content_commitment=not encrypts,
        key_encipherment=encrypts,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=False,
        crl_sign=False,
        encipher_only=False,
        decipher_only=False,
    )
    builder = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
    builder = builder.serial_number(x509.random_serial_number())
    builder = builder.not_valid_before(now - timedelta(days=1)).not_valid_after(now + _LIFE)
    return builder.add_extension(usage, critical=True).sign(key, hashes.SHA256())
