"""What tests of licences at customs need: an application with goods, the desk for declarations, and rows read from an answer."""

import json
import tomllib
import urllib.request
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone
from itertools import count

from patience import STILL, here

TYPE = "NA.application"
ENTRIES = count(1)
RECEIPT = "{urn:tongguan:receipt:1}"


def today(days=0):
    """Give a day in China, so many days from now."""
    return (datetime.now(UTC).astimezone(timezone(timedelta(hours=8))) + timedelta(days=days)).date().isoformat()


def goods(code="2601111000", quantity="100", unit="035"):
    return f"<Goods><CodeTS>{code}</CodeTS><Name>矿砂</Name><Unit>{unit}</Unit><TotalQuantity>{quantity}</TotalQuantity></Goods>"


def content(number, *lines, batch="1", ports=("0908",), mode="0110", until="", importer=""):
    """Write an application's body; without lines it has 100 t of iron ore."""
    places = "".join(f"<CustomsPort{n}>{port}</CustomsPort{n}>" for n, port in enumerate(ports, 1))
    return (
        f"<Year>2026</Year><ApplicationNo>{number}</ApplicationNo>{importer}<User><Name>用户公司</Name></User>"
        f"<TradeMode>{mode}</TradeMode>{places}{f'<ValidUntil>{until}</ValidUntil>' if until else ''}"
        f"<OneBatchOneLicence>{batch}</OneBatchOneLicence>{''.join(lines) or goods()}"
    )


def entry(direction="1"):
    """Give an entry number that nobody used in this run."""
    return f"09082026{direction}{next(ENTRIES):09d}"


def line(number="", quantity="10", code="2601111000", unit="035", supervision="7", place=1):
    cited = {"licence": {"code": supervision, "number": number}} if number else {}
    return {
        "line": place,
        "code": code,
        "name": "铁矿砂",
        "model": "粉",
        "unit": unit,
        "quantity": quantity,
        "price": "80.5",
        "currency": "USD",
        **cited,
    }


def declaration(*lines, trader, **more):
    return {
        "entry": entry(),
        "direction": "import",
        "date": today(),
        "port": "0908",
        "trade_mode": "0110",
        "trader": {"codes": [trader], "name": "示例公司"},
        "owner": {"codes": [], "name": "货主公司"},
        "trade_country": "AUS",
        "bill_no": "B-1",
        "district": "大连市",
        "contract_no": "C-1",
        "packages": 3,
        "licences": [],
        "goods": list(lines),
        **more,
    }


@dataclass
class Desk:
    """Customs' desk for declarations, over HTTP."""

    base: str
    token: str

    def call(self, method, where="", body=None, token=None):
        headers = {"Authorization": f"Bearer {self.token if token is None else token}"}
        data = body if isinstance(body, bytes) or body is None else json.dumps(body).encode()
        request = urllib.request.Request(f"{self.base}/v1/admin/declarations{where}", data, headers, method=method)
        try:
            with urllib.request.urlopen(request, timeout=here(STILL)) as answer:
                return answer.status, json.loads(answer.read())
        except urllib.error.HTTPError as error:
            text = error.read()
            return error.code, json.loads(text) if text.startswith(b"{") else {}

    def declare(self, wanted):
        return self.call("POST", "", wanted)

    def faults(self, wanted):
        """Declare, and give the codes of the faults."""
        _, answer = self.declare(wanted)
        return [fault["code"] for fault in answer.get("faults", [])]

    def happen(self, number, event, **more):
        return self.call("PUT", f"/{number}", {"event": event, **more})

    def state(self, number):
        return self.call("GET", f"/{number}")[1].get("state")


def desk_at(site):
    """Give the desk of the customs that a site talks to."""
    settings = tomllib.loads((site.home / "tongguan.toml").read_text("utf-8"))
    token = tomllib.loads((site.home / "simulators" / "simulators.toml").read_text("utf-8"))["admin_token"]
    return Desk(settings["route"]["customs"]["url"], token)


def rows(receipt):
    """Give total and rows of an answer; inner rows stand in a list under their element's name."""
    listed = receipt.find(f"{RECEIPT}Content/{RECEIPT}Rows")
    return int(listed.get("total")), [_row(row) for row in listed]


def _row(row):
    found = {}
    for one in row:
        name = one.tag.removeprefix(RECEIPT)
        if len(one):
            found.setdefault(name, []).append(_row(one))
        else:
            found[name] = one.text or ""
    return found
