"""Declarations of collected lists for acceptance tests: a `DecMessage` as an ERP writes it, and the same in our own frame."""

from __future__ import annotations

import json
from decimal import Decimal
from itertools import count
from typing import Any

import bodies as b
from lxml import etree
from sites import Site

TYPE = "CD.declaration"
NS = "http://www.chinaport.gov.cn/dec"
_clients = count(1)
#: of the head: the same as in the list
_SAME = (
    "IEFlag", "CustomMaster", "IEPort", "TradeMode", "TradeCode", "TradeCoScc", "TradeName", "OwnerCode", "OwnerCodeScc", "OwnerName", "CutMode",
    "TradeCountry", "TradeAreaCode", "DistinatePort", "DespPortCode", "EntyPortCode", "TrafMode", "TransMode", "WrapType", "FeeMark", "FeeCurr",
    "FeeRate", "InsurMark", "InsurCurr", "InsurRate", "PromiseItmes", "GoodsPlace", "OverseasConsignorEname", "OverseasConsigneeEname",
)  # fmt: skip
_LINE = (
    "CodeTS", "DeclPrice", "DutyMode", "GModel", "GName", "OriginCountry", "TradeCurr", "DeclTotal", "GQty", "FirstQty", "SecondQty", "GUnit",
    "FirstUnit", "SecondUnit", "DestinationCountry", "DistrictCode",
)  # fmt: skip
Content = dict[str, Any]


def client(marker: str = "") -> str:
    """An enterprise's own number, of 18 characters, with a marker for the simulator at its end."""
    return f"T{next(_clients):0{17 - len(marker)}d}{marker}"


def for_trader(trader: str, own: str = "", **head: str) -> str:
    """An ordinary declaration by the sample enterprise for this consignee, whose name is left to the gateway. `head`: in place of the sample's code."""
    sample = "2102960001"
    text = (b.PROFILES / "customs" / TYPE / "examples" / "ok-declare-refused.xml").read_text("utf-8")
    text = text.replace("DEMO2026110!refuse", own or client())
    for name in ("TradeName", "TradeCoScc"):
        start, end = text.index(f"<{name}>"), text.index(f"</{name}>")
        text = text[:start] + f"<{name} />" + text[end + len(f"</{name}>") :]
    text = text.replace(f"<TradeCode>{sample}<", f"<TradeCode>{trader}<")
    for name, value in head.items():
        text = text.replace(f"<{name}>{sample}<", f"<{name}>{value}<", 1)
    return text


def collected(lists: list[dict[str, Any]]) -> tuple[Content, list[Content]]:
    """Head and lines of a declaration of these lists; their lines one behind the other."""
    bodies = [one["body"] for one in lists]
    first, days = bodies[0], sorted(body["IEDate"].replace("-", "") for body in bodies)
    head = {name: first[name] for name in _SAME if name in first}
    head |= {
        "AgentCode": "2102960001",
        "TrafName": "集中申报",
        "BillNo": days[0] + days[-1],
        "IEDate": days[-1],
        "NoteS": "集中申报",
    }
    head |= {name: str(sum(Decimal(body[name]) for body in bodies)) for name in ("PackNo", "GrossWet", "NetWt")}
    for fee in ("Fee", "Insur"):
        if head.get(f"{fee}Mark") == "3":  # a total
            head[f"{fee}Rate"] = str(sum(Decimal(body.get(f"{fee}Rate", "0")) for body in bodies))
    lines = [{name: line[name] for name in _LINE if name in line} for body in bodies for line in body["DecList"]]
    if head["IEFlag"] == "E":
        swap = {"OriginCountry": "DestinationCountry", "DestinationCountry": "OriginCountry"}
        lines = [{**line, **{name: line[other] for name, other in swap.items()}} for line in lines]
    return head, lines


def dec_message(
    lists: list[dict[str, Any]],
    operation: str = "C",
    *,
    of: str = "",
    note: str = "",
    named: str | None = None,
    lines: list[Content] | None = None,
    **head: str | None,
) -> bytes:
    """What an ERP drops; `named`: in BillSeqNo, in place of the list's own number."""
    said, rows = collected(lists)
    said = {name: value for name, value in {**said, **head}.items() if value is not None}
    bill = lists[0]["numbers"]["entry"] if named is None else named
    root = etree.Element(f"{{{NS}}}DecMessage", nsmap={None: NS}, Version="4.8")  # type: ignore[dict-item]
    _add(root, "DecHead", said)
    below = etree.SubElement(root, f"{{{NS}}}DecLists")
    for number, line in enumerate(rows if lines is None else lines, 1):
        _add(below, "DecList", {"GNo": str(number), "CiqCode": "", **line})
    for empty in ("DecContainers", "DecLicenseDocus", "DecFreeTxt"):
        etree.SubElement(root, f"{{{NS}}}{empty}")
    sign = {
        "OperType": operation,
        "ClientSeqNo": of or client(),
        "Sign": "",
        "SignDate": "",
        "HostId": "",
        "BillSeqNo": bill,
        "Note": note,
    }
    _add(root, "DecSign", {name: value for name, value in sign.items() if value or name not in ("BillSeqNo", "Note")})
    paper = {"EdocID": "invoice.pdf", "EdocCode": "00000001", "EdocFomatType": "US", "OpNote": "", "EdocCopId": "invoice.pdf"}
    _add(root, "EdocRealation", {**paper, "EdocOwnerCode": "2102960001", "SignUnit": "2102960001", "SignTime": "20261120120000"})
    return etree.tostring(root, xml_declaration=True, encoding="UTF-8")


def _add(parent: etree._Element, name: str, content: Content) -> None:
    made = etree.SubElement(parent, f"{{{NS}}}{name}")
    for key, value in content.items():
        etree.SubElement(made, f"{{{NS}}}{key}").text = value or None


def in_our_frame(lists: list[dict[str, Any]], operation: str = "declare", *, reference: str = "", **head: str) -> bytes:
    """The same of several lists, which it names in `Lists`."""
    said, lines = collected(lists)
    del said["AgentCode"]
    body = {
        "DecHead": {**said, **head},
        "DecLists": {"DecList": lines},
        "Lists": [{"ListNo": one["numbers"]["entry"]} for one in lists],
        "DecSign": {"Note": reference} if "!" in reference else {},
    }
    frame = {"type": TYPE, "operation": operation, "reference": reference or b.fresh("dec")}
    return json.dumps({**frame, "body": body}, ensure_ascii=False).encode()


def declared(site: Site, raw: bytes, *states: str, suffix: str = ".xml") -> dict[str, Any]:
    """The status of a message once it is in one of these states (default: final)."""
    return site.wait(site.drop(raw, suffix=suffix), *states)
