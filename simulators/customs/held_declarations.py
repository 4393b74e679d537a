"""Find the declarations that customs holds, by their entry numbers: those of the books, those that came as messages, those of the desk.

Each is given as customs' own ``DecMessage``, whatever it came as: a paper or a file of data is made of that.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from lxml import etree

from tongguan.simulators.customs.ledger import CLEARED, Entry
from tongguan.simulators.customs.permits import codes_like
from tongguan.simulators.messages.markup import first, parse
from tongguan.simulators.script.code_effects import HeldTerms
from tongguan.simulators.server.office import Office

DEC = "http://www.chinaport.gov.cn/dec"
BOOK = "declaration"
_GOODS = {
    "CodeTS": "code", "GName": "name", "GModel": "model", "GQty": "quantity", "GUnit": "unit", "DeclPrice": "price", "TradeCurr": "currency",
}  # fmt: skip
#: what a declaration of the books is about, where its record does not say it
_SAMPLE = {
    "CodeTS": "0306143000", "GName": "冻蟹", "GModel": "冻|整只|雪蟹|20千克/箱", "GQty": "500", "GUnit": "035", "DeclPrice": "12.5",
    "DeclTotal": "6250", "TradeCurr": "USD", "OriginCountry": "KOR", "DestinationCountry": "CHN", "DutyMode": "1", "DistrictCode": "21029",
}  # fmt: skip
_HEAD = {
    "TradeMode": "0110", "CutMode": "101", "TrafMode": "2", "TrafName": "EXAMPLE STAR", "VoyNo": "2611W", "BillNo": "EXBL26110001",
    "TradeCountry": "KOR", "TradeAreaCode": "KOR", "DistinatePort": "KOR000", "TransMode": "1", "WrapType": "22", "PackNo": "40",
    "GrossWet": "820.5", "NetWt": "780", "ContrNo": "EX-2026-001", "NoteS": "示例报关单",
}  # fmt: skip


@dataclass(frozen=True)
class HeldDeclaration:
    """A declaration as customs holds it; ``traders``: every code of the enterprise whose it is."""

    entry: str
    traders: tuple[str, ...]
    declared: str  #: day
    cleared: str  #: day; nothing: not yet
    old: bool  #: of an edition of the form that nothing is made of
    message: etree._Element

    @property
    def direction(self) -> str:
        """Import or export, by the ninth digit of its number."""
        return "I" if self.entry[8:9] == "1" else "E"


def held_declaration(office: Office, terms: HeldTerms, entry: str) -> HeldDeclaration | None:
    """Find one by its number; nothing where customs holds none."""
    record = office.settings.records.get(BOOK, {}).get(entry)
    if record is not None:
        return _of_book(office, record)
    if (kept := office.store.ledger.entry(entry)) is not None and kept.stands:
        return _of_desk(office, kept)
    return next(_of_messages(office, terms, entry), None)


def declarations_of(office: Office, terms: HeldTerms, account: str) -> list[HeldDeclaration]:
    """List the cleared ones of an enterprise, by number."""
    numbers = [entry for entry, record in office.settings.records.get(BOOK, {}).items() if record["consignee"] == account]
    numbers += [entry.number for entry in office.store.ledger.entries(CLEARED) if entry.number.isdecimal()]
    numbers += [
        number
        for document in office.store.documents_of_type(terms.kind, terms.cleared)
        if (number := office.store.numbers(document.id).get(terms.number, ""))
    ]
    found = (held_declaration(office, terms, number) for number in dict.fromkeys(numbers))
    return sorted((one for one in found if one is not None and one.cleared and account in one.traders), key=lambda one: one.entry)


def _of_book(office: Office, record: Mapping[str, Any]) -> HeldDeclaration:
    entry, consignee = str(record["entry"]), str(record["consignee"])
    declared = str(record.get("declared", f"{entry[4:8]}-01-01"))
    cleared = str(record.get("cleared", ""))
    enterprise = office.settings.enterprise(office.authority, consignee)
    head = {
        **_HEAD, "CustomMaster": str(record.get("port", entry[:4])), "TradeCode": consignee, "TradeName": enterprise.name if enterprise else "",
        "OwnerCode": consignee, "AgentCode": consignee, **{name: str(value) for name, value in record.get("DecHead", {}).items()},
    }  # fmt: skip
    count = int(record.get("lines", 1))
    lines = record.get("DecList") or [_SAMPLE] * count
    old = str(record.get("edition", "")) == "old"
    message = _dec_message(entry, declared, head, lines)
    return HeldDeclaration(entry, codes_like(office.settings, [consignee]), declared, cleared, old, message)


def _of_desk(office: Office, kept: Entry) -> HeldDeclaration:
    body = kept.body
    head = {
        "CustomMaster": body["port"], "TradeMode": body["trade_mode"], "TradeCountry": body["trade_country"], "BillNo": body["bill_no"],
        "ContrNo": body["contract_no"], "PackNo": body["packages"], "TradeName": body["trader"]["name"], "OwnerName": body["owner"]["name"],
    }  # fmt: skip
    lines = [{name: str(line[key]) for name, key in _GOODS.items()} for line in body["goods"]]
    traders = codes_like(office.settings, [str(code) for code in body["trader"]["codes"]])
    cleared = kept.events.get("clear", "")
    return HeldDeclaration(
        kept.number, traders, str(body["date"]), cleared, False, _dec_message(kept.number, body["date"], head, lines)
    )


def _of_messages(office: Office, terms: HeldTerms, entry: str) -> Iterator[HeldDeclaration]:
    """Those that came as customs' own form, of whatever account: a broker's are its client's."""
    for document in office.store.named(terms.kind, entry):
        history = office.store.history(document.id)
        cleared = next((issued[:10] for code, _, issued in history if code in terms.cleared), "")
        message = parse(document.body)
        for name, value in {"EntryId": entry, "SeqNo": office.store.numbers(document.id).get(terms.own, "")}.items():
            _set(message, name, value)
        traders = codes_like(office.settings, [first(message, [terms.trader])])
        declared = history[0][2][:10] if history else ""
        yield HeldDeclaration(entry, traders, declared, cleared if document.status in terms.cleared else "", False, message)


def _set(message: etree._Element, name: str, value: str) -> None:
    head = message.find("{*}DecHead")
    if head is None:
        return
    found = head.find(f"{{*}}{name}")
    made = found if found is not None else etree.SubElement(head, f"{{{etree.QName(head).namespace}}}{name}")
    made.text = value


def _dec_message(entry: str, declared: str, head: Mapping[str, str], lines: Sequence[Mapping[str, Any]]) -> etree._Element:
    root = etree.Element(f"{{{DEC}}}DecMessage", nsmap={None: DEC}, Version="3.1")  # type: ignore[dict-item]
    said = {
        "IEFlag": "I" if entry[8:9] == "1" else "E",
        "EntryId": entry,
        "SeqNo": "",
        "IEDate": declared.replace("-", ""),
        **head,
    }
    _add(root, "DecHead", said)
    below = etree.SubElement(root, f"{{{DEC}}}DecLists")
    for number, line in enumerate(lines, 1):
        _add(below, "DecList", {"GNo": str(number), **line})
    for empty in ("DecContainers", "DecLicenseDocus", "DecFreeTxt"):
        etree.SubElement(root, f"{{{DEC}}}{empty}")
    return root


def _add(parent: etree._Element, name: str, content: Mapping[str, Any]) -> None:
    made = etree.SubElement(parent, f"{{{DEC}}}{name}")
    for key, value in content.items():
        etree.SubElement(made, f"{{{DEC}}}{key}").text = str(value) or None
