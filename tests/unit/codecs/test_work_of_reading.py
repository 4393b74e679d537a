"""Nothing that an enterprise sends costs more than a small multiple of its length: it would stop every account."""

from __future__ import annotations

import pytest
from effort import effort
from hypothesis import given
from hypothesis import strategies as st
from shapes import JSON, XML, Shape, grown

from tongguan.codecs.checking.secrets import redacted
from tongguan.codecs.reading.faults import fault
from tongguan.codecs.reading.read import read
from tongguan.gateway.model.errors import MOST_TOLD, Refused
from tongguan.gateway.system.safe_xml import MOST_ATTRIBUTES, MOST_NAMESPACE, MOST_NAMESPACES
from tongguan.signer.errors import SignatureInvalid
from tongguan.signer.verify import parse_strict

SIZE = 200_000
MOST = 25  #: times an ordinary document of that size
FRAME = ' operation="save" reference="r"'
SECRETS = {"XX.test": frozenset({"Password"})}


def cost(name: str, raw: bytes) -> float:
    return effort(lambda: read(name, raw, most_bytes=10 * SIZE), len(raw), enough=MOST)


@pytest.mark.parametrize("shape", XML.values(), ids=XML.keys())
def test_a_document_of_any_shape_is_read_in_little_more_than_its_length(shape: Shape) -> None:
    assert cost("m.xml", shape.document(SIZE, attributes=FRAME)) < MOST


@pytest.mark.parametrize("shape", XML.values(), ids=XML.keys())
def test_so_is_a_batch_of_such_items(shape: Shape) -> None:
    items = b"".join(shape.document(SIZE // 50, attributes=f' operation="save" reference="r{n}"') for n in range(50))

    assert cost("m.xml", b"<Batch>" + items + b"</Batch>") < MOST


@pytest.mark.parametrize("shape", JSON.values(), ids=JSON.keys())
def test_json_of_any_shape_is_read_in_little_more_than_its_length(shape: object) -> None:
    assert cost("m.json", shape(SIZE).encode()) < MOST  # type: ignore[operator]


@pytest.mark.parametrize("spoilt", ["xmlns", "xmlns:p", "a"])
def test_what_the_parser_says_of_a_long_name_is_told_in_little_more_than_its_length(spoilt: str) -> None:
    assert cost("m.xml", f'<A {spoilt}="{"9" * SIZE}] &9{"9" * SIZE}"/>'.encode()) < MOST
    assert cost("m.xml", f'<A {spoilt}="{"9" * 32_000}]{"9" * 32_600}"/>'.encode()) < MOST


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("m.xml", "<Password " * (SIZE // 10)),
        ("m.xml", "<Password a='" * (SIZE // 13)),
        ("m.xml", "<Password>" + "<![CDATA[x]]>" * 30 + "." * SIZE),
        ("m.xml", "<Password>" + "<![CDATA[" * (SIZE // 9)),
        ("m.xml", "<Password>" + "<!--x-->" * (SIZE // 8)),
        ("m.xml", "<Password></Password>" * (SIZE // 21)),
        ("m.xml", "<Password " + "a" * SIZE + ">"),
        ("m.xml", "<Password " + "a " * (SIZE // 2) + ">"),
        ("m.xml", "<Password a" + " " * SIZE + ">"),
        ("m.xml", "<" + "a" * SIZE),
        ("m.xml", "<a:" * (SIZE // 3)),
        ("m.json", '"' + '\\"' * (SIZE // 2)),
        ("m.json", '"Password":' * (SIZE // 11)),
        ("m.json", '{"Password":' * (SIZE // 12)),
        ("m.json", '"Password":"file:a",' * (SIZE // 20)),
        ("m.json", '"Password"' + " " * SIZE),
        ("m.json", '"Password":' + "9" * SIZE),
    ],
)
def test_open_secrets_are_looked_for_in_little_more_than_the_length_of_a_file(name: str, text: str) -> None:
    raw = f"XX.test {text}".encode()

    assert effort(lambda: redacted(name, raw, SECRETS), len(raw), enough=MOST) < MOST


def codes(document: bytes) -> list[str]:
    with pytest.raises(Refused) as wrong:
        read("m.xml", document, most_bytes=10 * SIZE)
    return [f.code for f in wrong.value.faults]


def message(inside: str) -> bytes:
    return Shape(body=lambda _: inside).document(0, attributes=FRAME)


def test_as_many_attributes_as_are_read_are_read_and_one_more_is_a_fault_with_its_line() -> None:
    attributes = [f' a{n}=""' for n in range(MOST_ATTRIBUTES + 1)]

    assert read("m.xml", message(f"<A{''.join(attributes[1:])}/>"), most_bytes=SIZE).items
    with pytest.raises(Refused) as wrong:
        read("m.xml", message(f"\n\n<A{''.join(attributes)}/>"), most_bytes=SIZE)
    assert [(f.code, f.line) for f in wrong.value.faults] == [("GW-X08", 3)]


def test_namespaces_are_counted_where_they_hold_not_in_the_whole_file() -> None:
    apart = "".join(f'<A xmlns:n{n}="urn:{n}"/>' for n in range(10 * MOST_NAMESPACES))
    within = "".join(f' xmlns:n{n}="urn:{n}"' for n in range(MOST_NAMESPACES - 1))

    assert read("m.xml", message(apart), most_bytes=SIZE).items
    assert read("m.xml", message(f"<A{within}/>"), most_bytes=SIZE).items
    assert codes(message(f"<A{within}><B xmlns:x='urn:x'/></A>")) == ["GW-X09"]


def test_a_namespace_is_no_longer_than_a_name_may_be() -> None:
    many = "<p:A/>" * 20_000

    assert read("m.xml", message(f'<A xmlns:p="urn:{"x" * (MOST_NAMESPACE - 4)}">{many}</A>'), most_bytes=SIZE).items
    assert codes(message(f'<A xmlns:p="urn:{"x" * MOST_NAMESPACE}">{many}</A>')) == ["GW-X10"]


def long(form: str, more: int) -> str:
    """A namespace of so many letters more than are read, declared as `form` has it."""
    start = "urn:xmlns:"
    return form.replace("URI", start + "x" * (MOST_NAMESPACE + more - len(start) - 1) + "&#120;")


DECLARED = [
    '<A xmlns:p="URI"/>',
    "<A xmlns:p = 'URI'/>",
    f'<A xmlns:{"p" * 90}="URI"/>',
    '<A>xmlns="x"<B xmlns="URI" xmlns:q="q:q"/></A>',
]


@pytest.mark.parametrize("form", DECLARED)
def test_nor_is_it_in_a_small_document(form: str) -> None:
    assert read("m.xml", message(long(form, 0)), most_bytes=SIZE).items
    assert codes(message(long(form, 1))) == ["GW-X10"]


@pytest.mark.parametrize("form", DECLARED)
def test_nor_in_a_receipt(form: str) -> None:
    receipt = '<Receipt xmlns="urn:tongguan:receipt:1">{}</Receipt>'

    assert len(parse_strict(receipt.format(long(form, 0)).encode())) == 1
    with pytest.raises(SignatureInvalid, match="namespace is longer") as wrong:
        parse_strict(receipt.format(long(form, 1)).encode())
    assert wrong.value.code == "size"


@pytest.mark.parametrize("uri", ["sub", "./sub", "//host/x", "#x", "?x", "a b", "urn:中%", "http://["])
@pytest.mark.parametrize("place", ['<A xmlns="{}"/>', '<A xmlns:p="{}"/>', '<A>\n<B xmlns:p="{}" p:c=""/></A>'])
def test_a_namespace_that_is_no_absolute_uri_is_a_fault_with_its_place(uri: str, place: str) -> None:
    with pytest.raises(Refused) as wrong:
        read("m.xml", message(place.format(uri)), most_bytes=SIZE)

    (found,) = wrong.value.faults
    assert found.code in ("GW-X01", "GW-X11")
    assert found.line == place.count("\n") + 1
    assert uri in found.zh or found.code == "GW-X01"


def test_a_namespace_of_a_batch_or_an_item_that_is_not_absolute_spoils_what_it_is_in_force_for() -> None:
    good = message("<A/>").decode()
    bad = good.replace("<A/>", '<A xmlns="sub"/>').replace('"r"', '"s"')

    items = read("m.xml", f"<Batch>{good}{bad}</Batch>".encode(), most_bytes=SIZE).items

    assert [[f.code for f in item.faults] for item in items] == [[], ["GW-X11"]]


def test_no_more_faults_are_told_than_help_and_the_rest_is_counted() -> None:
    strays = grown(lambda i: '"\\u0001",', 10 * MOST_TOLD)[:-1]
    with pytest.raises(Refused) as wrong:
        read("m.json", f'{{"a":[{strays}]}}'.encode(), most_bytes=SIZE)

    told = wrong.value.faults
    assert len(told) == MOST_TOLD + 1
    assert (told[-1].code, str(strays.count("u") - MOST_TOLD) in told[-1].en) == ("GW-C28", True)


@given(st.text(), st.integers(0, 5000))
def test_a_fault_never_carries_a_body(letters: str, times: int) -> None:
    told = fault("GW-C01", path=letters * times, name=letters * times, near="")

    assert len(told.zh) + len(told.en) + len(told.path) < 2000
