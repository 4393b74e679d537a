"""Hand an issued document from one authority to another over HTTP, signed, and take what another one hands over."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable

import aiohttp
from cryptography import x509
from lxml import etree

from tongguan.simulators.books.store import Course, Document, Issued
from tongguan.simulators.customs.ledger import bare
from tongguan.simulators.customs.permits import Unfit, read_permit
from tongguan.simulators.messages.faults import FaultSubject, markers, orders
from tongguan.simulators.messages.markup import NotXml, local, new_root, parse
from tongguan.simulators.messages.signing import Unproven, verified
from tongguan.simulators.script.script import Code
from tongguan.simulators.server.office import Fault, Notice, Office, receipt
from tongguan.simulators.settings import PORTS

LICENCE = "urn:tongguan:licence:1"
_MARKER = "customs-fail"


async def forward(office: Office, client: aiohttp.ClientSession, course: Course, receiver: str) -> str:
    """Hand a course's document over; gives "" when it was stored, else ``failed`` or ``unreachable``."""
    body = _written(office, course)
    try:
        async with client.post(address(office, receiver) + "/v1/licences", data=body) as answer:
            said = await answer.read()
            verdict = verified(parse(said), certificate(office, receiver))
    except (aiohttp.ClientError, TimeoutError, OSError, ValueError, KeyError, NotXml, Unproven):
        return "unreachable"
    return "" if verdict.get("code") == "0" else "failed"


def _written(office: Office, course: Course) -> bytes:
    document = office.store.document(course.document)
    reference = document.facts.get("reference", "")
    if _MARKER in course.wrong and _MARKER not in markers(reference):
        reference += "!" + _MARKER  # ordered by a rule of the file: customs is told the same way
    return office.sealer.seal(handed_over(office, document, reference))


def handed_over(office: Office, document: Document, reference: str) -> etree._Element:
    """Write what the licence of an issued document is: the document, with its numbers and days around it."""
    numbers = office.store.numbers(document.id)
    root = new_root(LICENCE, "Licence")
    said = {"type": document.type, "account": document.account, "reference": reference, "authority": office.authority}
    for name, value in {**numbers, **said, **_days(office, document), "number": document.number}.items():
        root.set(name, value)
    root.append(parse(document.body))
    return root


def _days(office: Office, document: Document) -> dict[str, str]:
    """Give the days of application and of issue: of the first receipt, and of the first that gave the licence's number."""
    script, history = office.scripts[document.type], office.store.history(document.id)
    number = script.licence.number if script.licence else ""
    giving = [issued for code, _, issued in history if number and number in script.codes[code].gives]
    return {
        "applied_on": next((issued for _, _, issued in history), office.stamp())[:10],
        "issued_on": next(iter(giving), office.stamp())[:10],
    }


def address(office: Office, receiver: str) -> str:
    """Give where another authority listens. Raises KeyError, OSError or ValueError while that is not known."""
    endpoint = office.settings.endpoints[receiver]
    port = endpoint.port or json.loads((office.settings.folder / PORTS).read_text())[receiver]
    return f"http://{endpoint.host}:{port}"


def certificate(office: Office, authority: str) -> x509.Certificate:
    """Give an authority's certificate. Raises KeyError for one that is not known."""
    return x509.load_pem_x509_certificate(office.settings.endpoints[authority].certificate.read_bytes())


def proven_sender(office: Office, body: bytes, name: str) -> etree._Element:
    """Verify an element of that name by the certificate of the authority it names. Raises Unreadable, Unproven, KeyError."""
    told = parse(body)
    root = verified(told, certificate(office, told.get("authority") or ""))
    if root.get("authority") != told.get("authority") or root.get("authority") == office.authority or local(root) != name:
        raise Unproven(f"it is no {name} of the authority that signed it")
    return root


def taken_over(office: Office, body: bytes, issued: Callable[[str], None]) -> tuple[int, bytes]:
    """Store what another authority hands over; gives the HTTP status and a signed receipt.

    The same licence again is stored already; another content under its number is refused. ``issued`` is called with the
    account that a receipt was issued for.
    """
    try:
        root = proven_sender(office, body, "Licence")
    except (NotXml, Unproven, KeyError) as error:
        return 400, reply(office, "1", "", [Fault("LIC-01", "", f"许可证数据无法验证: {error}"[:300])])
    script = office.script(root.get("type") or "")
    terms = script.licence if script and script.authority == root.get("authority") else None
    number = root.get(terms.number if terms else "licence") or ""
    told = FaultSubject(
        number, office.authority, root.get("type") or "", "forward", root.get("account") or "", root.get("reference") or ""
    )
    wrong = orders(office.plan, told)
    sha256 = hashlib.sha256(etree.tostring(root, method="c14n")).digest()
    with office.store.transaction():
        stored, refusals = office.store.licence(bare(number))
        if not number or (stored is not None and stored != sha256):
            return 409, reply(office, "1", number, [Fault("LIC-02", "", "许可证号缺失或已有不同内容")])
        if _MARKER in wrong and not refusals:
            office.store.refuse_licence(bare(number))
            return 422, reply(office, "1", number, [Fault("LIC-03", "", "海关入库失败")])
        try:
            if script and terms:
                office.store.ledger.keep_permit(read_permit(office.settings, script, root))
        except Unfit as error:
            return 422, reply(office, "1", number, [Fault("LIC-04", "", f"许可证数据不完整: {error}"[:300])])
        office.store.store_licence(bare(number), sha256, body)
        if "usurp" in wrong and stored is None:
            issued(_usurped(office, root, wrong["usurp"]))
    return 202, reply(office, "0", number, [])


def _usurped(office: Office, root: etree._Element, code: str) -> str:
    """Say a code of another authority's document over this one's own feed; gives the account it is for."""
    enterprise = office.settings.enterprise(root.get("authority") or "", root.get("account") or "")
    account = enterprise.codes.get(office.authority, "") if enterprise else ""
    now = office.stamp()
    notice = Notice(account, "", root.get("type") or "", root.get("number") or "")
    body = office.sealer.seal(receipt(office, Code(code, "越权"), notice, now))
    office.store.issue(Issued(0, account, code, 0, now, body), shown=False)
    return account


def reply(office: Office, code: str, number: str, faults: list[Fault]) -> bytes:
    """Write a signed answer to another authority."""
    notice = Notice("", number=number, faults=faults)
    return office.sealer.seal(receipt(office, office.code("", code), notice, office.stamp()))
