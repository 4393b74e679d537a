"""Reading XML: the frame, encodings, and everything that is refused with its place."""

from __future__ import annotations

import re

import pytest

from tongguan.codecs.reading.read import Read, read
from tongguan.gateway.model.errors import Fault, Refused

NS = "urn:tongguan:XX.test:1"


def message(body: str = "<A>1</A>", *, attributes: str = 'operation="declare" reference="r1"', declaration: str = "") -> str:
    return f'{declaration}<XX.test xmlns="{NS}" {attributes}>{body}</XX.test>'


def parsed(text: str | bytes, name: str = "m.xml") -> Read:
    return read(name, text.encode() if isinstance(text, str) else text, most_bytes=10_000_000)


def refused(text: str | bytes, name: str = "m.xml") -> tuple[Fault, ...]:
    with pytest.raises(Refused) as caught:
        parsed(text, name)
    return caught.value.faults


def codes(text: str | bytes, name: str = "m.xml") -> list[str]:
    return [fault.code for fault in refused(text, name)]


def test_the_frame_of_a_message_is_taken_from_its_root():
    content = parsed(message(attributes='operation="query" reference="r" document="d" number="n" kind="list" check="1" page="2"'))
    item = content.items[0]

    assert (content.form, content.reference, content.batch) == ("xml", "r", False)
    assert (item.type, item.operation, item.reference, item.document) == ("XX.test", "query", "r", "d")
    assert (item.number, item.kind, item.check, item.place) == ("n", "list", True, "/XX.test")


def test_filters_are_the_leaves_and_the_paging():
    item = parsed(message("<Group><a> 1 </a></Group><b/>", attributes='operation="query" kind="list" page="2" size="10"')).items[
        0
    ]

    assert item.filters() == {"a": "1", "b": "", "page": "2", "size": "10"}


@pytest.mark.parametrize("encoding", ["UTF-8", "GB18030", "GBK", "gb2312"])
def test_a_declared_encoding_is_read(encoding):
    text = message("<A>进口申请</A>", declaration=f'<?xml version="1.0" encoding="{encoding}"?>')

    assert parsed(text.encode(encoding)).items[0].body[0].text == "进口申请"


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be", "utf-8-sig"])
def test_a_byte_order_mark_or_the_first_bytes_name_the_encoding(encoding):
    text = message("<A>进口</A>", declaration='<?xml version="1.0"?>')

    assert parsed(text.encode(encoding)).items[0].body[0].text == "进口"


def test_rare_characters_survive_gb18030():
    text = message("<A>㐂𠮷</A>", declaration='<?xml version="1.0" encoding="GB18030"?>')

    assert parsed(text.encode("gb18030")).items[0].body[0].text == "㐂𠮷"


@pytest.mark.parametrize("encoding", ["latin-1", "utf-7", "ebcdic", "UTF-32"])
def test_other_encodings_are_refused(encoding):
    assert codes(message(declaration=f'<?xml version="1.0" encoding="{encoding}"?>')) == ["GW-X02"]


def test_bytes_that_are_not_in_the_declared_encoding_are_refused_with_their_line():
    raw = b'<?xml version="1.0" encoding="GB18030"?>\n<A>\xff\xff</A>'

    assert [(f.code, f.line) for f in refused(raw)] == [("GW-X06", 2)]
    assert codes(b"<A>\xff</A>") == ["GW-X01"]


def test_what_is_not_well_formed_is_refused_with_its_line():
    faults = refused(f'<XX.test xmlns="{NS}">\n<A>\n</B></XX.test>')

    assert [(f.code, f.line) for f in faults] == [("GW-X01", 3)]


@pytest.mark.parametrize(
    "prolog",
    [
        "<!DOCTYPE XX.test>",
        '<!DOCTYPE XX.test SYSTEM "file:///etc/passwd">',
        '<?xml version="1.0"?>\n<!-- x -->\n<!DOCTYPE XX.test [<!ENTITY a "b">]>',
        "<!DOCTYPE",
        "<!-- never ends <!DOCTYPE",
    ],
)
def test_a_document_type_declaration_is_refused(prolog):
    assert codes(prolog + message()) == ["GW-X03"]


def test_the_letters_of_a_declaration_inside_a_text_do_no_harm():
    assert parsed(message("<A><![CDATA[<!DOCTYPE x>]]></A>")).items[0].body[0].text == "<!DOCTYPE x>"


def test_an_entity_that_nobody_declared_is_refused():
    assert codes(message("<A>&evil;</A>")) == ["GW-X01"]


def test_comments_and_processing_instructions_are_dropped_without_cutting_a_text():
    body = parsed(message("<A>1<!-- two -->2<?p x?>3</A><!-- x -->")).items[0].body

    assert ([e.tag for e in body], body[0].text) == ([f"{{{NS}}}A"], "123")


def test_thirty_two_levels_are_read_and_thirty_three_refused():
    def nested(levels: int) -> str:
        return message("<A>" * (levels - 1) + "</A>" * (levels - 1))

    assert parsed(nested(32)).items
    assert codes(nested(33)) == ["GW-X04"]
    assert codes(nested(100_000)) in (["GW-X01"], ["GW-X04"])


def test_a_text_or_attribute_that_is_too_long_is_refused_with_its_place():
    faults = refused(message("<A>" + "x" * 1_000_001 + "</A>"))

    assert [(f.code, f.path) for f in faults] == [("GW-X05", "/XX.test/A")]
    assert codes(message('<A b="' + "x" * 1_000_001 + '"/>')) == ["GW-X05"]


def test_a_flood_of_parts_is_refused_quickly():
    assert codes(message("<A/>" * 2_000_001)) == ["GW-X07"]
    assert len(codes(message(attributes=" ".join(f'a{n}=""' for n in range(5000))))) < 200
    assert "GW-E10" in codes(message("<Attachments>" + '<Attachment file="a"/>' * 5000 + "</Attachments>"))
    assert codes(f'<{"x" * 5000} operation="save" reference="r"/>') == ["GW-M08"]


def test_names_that_only_look_alike_are_refused():
    assert codes(message(attributes='operation="save" reference="a\u200bb"')) == ["GW-M09"]
    assert codes(message(attributes='operation="save" reference="a\u202eb"')) == ["GW-M09"]


def test_a_file_that_is_too_large_or_empty_or_of_another_kind_is_refused():
    with pytest.raises(Refused) as caught:
        read("m.xml", b"x" * 11, most_bytes=10)
    assert [f.code for f in caught.value.faults] == ["GW-M02"]
    assert codes(b"") == ["GW-M03"]
    assert codes(message(), "m.txt") == ["GW-M01"]
    assert codes(message(), "xml") == ["GW-M01"]


def test_the_extension_is_read_in_any_case():
    assert parsed(message(), "M.XML").items[0].reference == "r1"


def test_every_fault_of_the_frame_is_told_at_once():
    long = "x" * 65
    faults = refused(message(attributes=f'operation="declear" reference="{long}" document="a&#9;b" check="maybe" refrence="x"'))

    assert sorted((f.code, f.path) for f in faults) == [
        ("GW-M06", "/XX.test/@operation"),
        ("GW-M08", "/XX.test/@reference"),
        ("GW-M09", "/XX.test/@document"),
        ("GW-M10", "/XX.test/@refrence"),
        ("GW-M14", "/XX.test/@check"),
    ]
    assert "declare" in next(f.en for f in faults if f.code == "GW-M06")
    assert "reference" in next(f.en for f in faults if f.code == "GW-M10")


def test_another_namespace_is_refused_naming_the_right_one():
    faults = refused('<XX.test operation="declare" reference="r"/>')

    assert [f.code for f in faults] == ["GW-M05"]
    assert NS in faults[0].zh


def test_only_queries_and_checks_come_without_a_reference():
    assert codes(message(attributes='operation="save"')) == ["GW-M07"]
    assert parsed(message(attributes='operation="query"')).items[0].reference is None
    assert parsed(message(attributes='operation="check"')).items[0].reference is None
    assert parsed(message(attributes='operation="save" check="true"')).items[0].reference is None


def test_a_reference_of_sixty_four_chinese_characters_is_read():
    assert parsed(message(attributes=f'operation="save" reference="{"关" * 64}"')).items[0].reference == "关" * 64


def test_the_same_content_has_the_same_digest_however_it_is_written():
    plain = message("<A>1</A>", attributes='operation="save" reference="r"')
    other = f"<?xml version='1.0' encoding='GB18030'?><x:XX.test reference='r'  operation='save' xmlns:x='{NS}'><x:A>1</x:A></x:XX.test>"
    twice = message("<A>1</A>", attributes="reference='r' operation='save'", declaration="<!-- x -->")

    first = parsed(plain).items[0].sha256
    assert parsed(twice).items[0].sha256 == first
    assert parsed(plain.encode("utf-16")).items[0].sha256 == first
    assert parsed(other).items[0].type == "XX.test"
    assert parsed(plain.replace(">1<", ">2<")).items[0].sha256 != first


def test_a_batch_gives_its_items_references_and_their_own_namespaces():
    one = f'<XX.test xmlns="{NS}" operation="save"/>'
    two = '<YY.test xmlns="urn:tongguan:YY.test:1" operation="save" reference="mine"/>'
    for namespace in ("", ' xmlns="urn:tongguan:batch:1"'):
        content = parsed(f'<Batch{namespace} reference="b">{one}{two}</Batch>')

        assert (content.batch, content.reference) == (True, "b")
        assert [(i.type, i.reference, i.place) for i in content.items] == [
            ("XX.test", "b-1", "/Batch/*[1]"),
            ("YY.test", "mine", "/Batch/*[2]"),
        ]


def test_a_batch_has_one_to_five_hundred_items():
    one = f'<XX.test xmlns="{NS}" operation="save"/>'

    assert codes('<Batch reference="b"/>') == ["GW-M13"]
    assert len(parsed(f'<Batch reference="b">{one * 500}</Batch>').items) == 500
    assert codes(f'<Batch reference="b">{one * 501}</Batch>') == ["GW-M11"]


def test_a_batch_s_item_has_the_same_digest_wherever_it_stands():
    one = f'<XX.test xmlns="{NS}" operation="save" reference="r"><A>1</A></XX.test>'
    two = f'<XX.test xmlns="{NS}" operation="save" reference="s"/>'
    first = parsed(f'<Batch reference="b">{one}{two}</Batch>').items[0].sha256

    assert parsed(f'<Batch reference="c">\n{two}\n{one}\n</Batch>').items[1].sha256 == first
    assert parsed(one.replace("<A>", "\n  <A>")).items[0].sha256 == first


def test_a_bad_item_of_a_batch_keeps_its_faults_to_itself():
    one = f'<XX.test xmlns="{NS}" operation="save" reference="r"/>'
    good = f'<XX.test xmlns="{NS}" operation="save" reference="good"/>'
    items = parsed(f'<Batch>\n{one}\n{one}\n<XX.test xmlns="{NS}" operation="save"/>{good}</Batch>').items

    assert [[(f.code, f.path, f.line) for f in i.faults] for i in items] == [
        [("GW-M12", "/Batch/*[1]/@reference", 2)],
        [("GW-M12", "/Batch/*[2]/@reference", 3)],
        [("GW-M07", "/Batch/*[3]/@reference", 4)],
        [],
    ]
    assert [i.operation for i in items] == ["", "", "", "save"]


def test_attachments_are_taken_out_of_the_body():
    with pytest.raises(Refused) as caught:
        parsed(message('<Attachments><Attachment file="a.pdf" category="1"/></Attachments>'))
    assert [f.code for f in caught.value.faults] == ["GW-E01"]

    body = '<Attachments><Attachment file="a.pdf" category="1"/></Attachments><A/>'
    item = parsed(message(body, attributes='operation="detach" reference="r"')).items[0]
    assert item.attachments == (("a.pdf", "1"),)
    assert [e.tag for e in item.body] == [f"{{{NS}}}A"]


def test_wrong_attachment_lists_are_refused():
    def listed(inner: str) -> list[str]:
        return codes(message(f"<Attachments>{inner}</Attachments>"))

    assert listed('<Attachment file="a/b.pdf"/>') == ["GW-E15"]
    assert listed('<Attachment file=".."/>') == ["GW-E15"]
    assert listed('<Attachment category="1"/>') == ["GW-E13"]
    assert listed('<Attachment file="a" size="1"/>') == ["GW-C26"]
    assert listed('<Attachment file="a"/><Attachment file="a"/>') == ["GW-E03"]
    assert listed('<File file="a"/>') == ["GW-C01"]


@pytest.mark.requirement("GW-01")
@pytest.mark.parametrize(
    ("text", "zh", "en"),
    [
        ("<A>a & b</A>", "& 应写作 &amp;", "& is written &amp;"),
        ("<A>&nbsp;</A>", "没有实体 &nbsp;", "there is no entity &nbsp;"),
        ("<A>&#11;</A>", "U+000B 是 XML 不允许的字符", "U+000B is a character"),
        ("<A>", "</XX.test>", "</XX.test>"),
        ("<A x:b='1'/>", "前缀 x 没有声明", "prefix x is not declared"),
        ("<A b=“1”/>", "半角引号", "plain quotes"),
        ("<A xmlns='a b'/>", "“a b” 不是正确的 URI", "“a b” is no URI"),
    ],
)
def test_what_is_not_well_formed_is_told_in_both_languages(text: str, zh: str, en: str):
    (fault,) = refused(message(text))

    assert (fault.code, zh in fault.zh, en in fault.en) == ("GW-X01", True, True)
    assert not re.search("[a-z]{4,} [a-z]{4,}", fault.zh)


@pytest.mark.parametrize("raw", [b"", b"\n\x1a", b"\0\0", b"\n-- end"], ids=["cut", "ctrl-z", "nul", "text"])
def test_an_end_that_is_none_is_told_in_both_languages(raw: bytes):
    text = message("<A/>").encode()
    (fault,) = refused(text[:-4] if not raw else text + raw)

    assert fault.code == "GW-X01" and fault.line is not None
    assert not re.search("[a-z]{4,} [a-z]{4,}", fault.zh)


def test_the_tag_that_has_no_end_is_named():
    (fault,) = refused(message("<A>\n<B>1").removesuffix("</XX.test>"))

    assert "第 2 行的 <B> 没有结束" in fault.zh and "<B> of line 2 has no end" in fault.en


def test_the_encoding_that_is_named_is_the_one_that_was_declared():
    (fault,) = refused(
        message("<A>王€</A>", declaration='<?xml version="1.0" encoding="GB2312"?>').encode("gbk", "ignore") + b"\x80"
    )

    assert (fault.code, "GB2312" in fault.zh, "GB2312" in fault.en) == ("GW-X06", True, True)
