"""Hand an issued document from one authority to another over HTTP, signed, and take what another one hands over."""

from __future__ import annotations

import hashlib
import json
import time

import aiohttp
from cryptography import x509
from lxml import etree

from tongguan.simulators.faults import Told, markers, orders
from tongguan.simulators.markup import Unreadable, new_root, parse
from tongguan.simulators.office import Fault, Notice, Office, receipt
from tongguan.simulators.seal import Unproven, verified
from tongguan.simulators.settings import PORTS
from tongguan.simulators.spans import stamp
from tongguan.simulators.store import Course

LICENCE = "urn:tongguan:licence:1"
_MARKER = "customs-fail"


async def forward(office: Office, client: aiohttp.ClientSession, course: Course, receiver: str) -> str:
    """Hand a course's document over; gives "" when it was stored, else ``failed`` or ``unreachable``."""
    body = _written(office, course)
    try:
        async with client.post(_address(office, receiver) + "/v1/licences", data=body) as answer:
            said = await answer.read()
            verdict = verified(parse(said), _certificate(office, receiver))
    except (aiohttp.ClientError, TimeoutError, OSError, ValueError, KeyError, Unreadable, Unproven):
        return "unreachable"
    return "" if verdict.get("code") == "0" else "failed"


def _written(office: Office, course: Course) -> bytes:
    document = office.store.document(course.document)
    numbers = office.store.numbers(document.id)
    reference = document.facts.get("reference", "")
    if _MARKER in course.wrong and _MARKER not in markers(reference):
        reference += "!" + _MARKER  # ordered by a rule of the file: customs is told the same way
    root = new_root(LICENCE, "Licence")
    for name, value in {"type": document.type, "account": document.account, "reference": reference, **numbers}.items():
        root.set(name, value)
    root.append(parse(document.body))
    return office.sealer.seal(root)


def _address(office: Office, receiver: str) -> str:
    endpoint = office.settings.endpoints[receiver]
    port = endpoint.port or json.loads((office.settings.folder / PORTS).read_text())[receiver]
    return f"http://{endpoint.host}:{port}"


def _certificate(office: Office, authority: str) -> x509.Certificate:
    return x509.load_pem_x509_certificate(office.settings.endpoints[authority].certificate.read_bytes())


def taken_over(office: Office, sender: str, body: bytes) -> tuple[int, bytes]:
    """Store what another authority hands over; gives the HTTP status and a signed receipt.

    The same licence again is stored already; another content under its number is refused.
    """
    try:
        root = verified(parse(body), _certificate(office, sender))
    except (Unreadable, Unproven, KeyError) as error:
        return 400, _reply(office, "1", "", [Fault("LIC-01", "", f"许可证数据无法验证: {error}"[:300])])
    number = root.get("licence") or ""
    told = Told(
        number, office.authority, root.get("type") or "", "forward", root.get("account") or "", root.get("reference") or ""
    )
    sha256 = hashlib.sha256(etree.tostring(root, method="c14n")).digest()
    with office.store.transaction():
        stored, refusals = office.store.licence(number)
        if not number or (stored is not None and stored != sha256):
            return 409, _reply(office, "1", number, [Fault("LIC-02", "", "许可证号缺失或已有不同内容")])
        if _MARKER in orders(office.plan, told) and not refusals:
            office.store.refuse_licence(number)
            return 422, _reply(office, "1", number, [Fault("LIC-03", "", "海关入库失败")])
        office.store.store_licence(number, sha256, body)
    return 202, _reply(office, "0", number, [])


def _reply(office: Office, code: str, number: str, faults: list[Fault]) -> bytes:
    notice = Notice("", number=number, faults=faults)
    return office.sealer.seal(receipt(office, office.code("", code), notice, stamp(time.time())))
