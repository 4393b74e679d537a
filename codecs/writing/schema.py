"""schema.xsd and schema.json of a document type, written from its fields: for the ERP's developers, never used by the gateway.

Promises: what the gateway takes, a schema takes, save for what a schema cannot say (which operation needs which element, rules,
an empty element standing for an absent one); the same profile always gives the same bytes.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any

from lxml import etree

from tongguan.codecs.checking.fields import DATE, TIME
from tongguan.codecs.checking.secrets import REFERENCE
from tongguan.codecs.reading.vocabulary import MOST_NAME
from tongguan.gateway.profile.profile import Field, Profile, Query
from tongguan.gateway.profile.sections.queries import TIME as RANGE
from tongguan.gateway.profile.sections.queries import names_of

_XS = "http://www.w3.org/2001/XMLSchema"
_FLAGS = ("true", "false", "1", "0", "是", "否")
_FORMATS = ("json", "xml", "csv", "xlsx", "pdf")
_SOURCES = ("journal", "authority")


def write_schemas(profile: Profile) -> dict[str, bytes]:
    """File name to content."""
    profile = replace(profile, fields=profile.as_sent({o.splits for o in profile.operations.values()}))
    return {"schema.xsd": _xsd(profile), "schema.json": _json(profile)}


def _asked(profile: Profile) -> list[str]:
    """Elements of a body that belong to a query or an operation, not to the document."""
    own = {f.path.removesuffix("[]") for f in profile.fields}
    options = [name for o in profile.operations.values() for name in o.elements]
    filters = [word for q in profile.queries.values() for name, of in q.filters.items() for word in _words(q, name, of)]
    return [name for name in dict.fromkeys([*options, *filters]) if name not in own]


def _words(query: Query, name: str, of: str) -> list[str]:
    """What a filter may be called: a date by the name of a period, too, where the question is bound to months."""
    return [*names_of(name, of), *([name] if query.most_months and of.startswith(RANGE) else [])]


def _operations(profile: Profile) -> list[str]:
    return list(dict.fromkeys([*profile.operations, *(["query"] if profile.queries else [])]))


def _children(profile: Profile, path: str) -> list[Field]:
    return [f for f in profile.fields if f.path.rpartition("/")[0] == path]


def _notes(field: Field) -> Iterable[tuple[str, str]]:
    """What a reader wants to know of a field, as language and text."""
    yield "zh", field.label
    yield "en", field.label_en
    if field.required_at:
        yield "en", f"required at: {' '.join(sorted(field.required_at))}"
    if field.fill.startswith("default:"):
        yield "en", "filled when absent"
    elif field.fill:
        yield "en", "set by the system; another value is a fault"
    if field.code_table:
        yield "en", f"code or exact Chinese name of the table {field.code_table}"


def _xsd(profile: Profile) -> bytes:
    schema = etree.Element(
        f"{{{_XS}}}schema",
        {"targetNamespace": profile.namespace, "elementFormDefault": "qualified"},
        nsmap={"xs": _XS, "t": profile.namespace},
    )
    _document(schema, (("zh", profile.title.zh), ("en", profile.title.en)))
    root = _add(_add(schema, "element", name=profile.type), "complexType")
    whole = _add(root, "sequence")
    asked = _asked(profile)
    before_rows = asked if any(operation.adds for operation in profile.operations.values()) else []
    content = _add(whole, "choice") if asked and not before_rows else whole
    _texts(content, before_rows, minOccurs="0", maxOccurs="unbounded")
    _elements(_add(content, "sequence"), profile, "")
    _texts(content, [] if before_rows else asked, maxOccurs="unbounded")
    _attachments(whole)
    _attributes(root, profile)
    for name, words in (("date", DATE), ("datetime", TIME)):
        _restrict(_add(schema, "simpleType", name=name), "xs:string", pattern=words)
    _enumerate(_add(schema, "simpleType", name="flag"), _FLAGS)
    _restrict(_add(schema, "simpleType", name="name"), "xs:string", minLength=1, maxLength=255)
    _restrict(_add(schema, "simpleType", name="key"), "xs:string", maxLength=MOST_NAME)
    etree.indent(schema)
    return etree.tostring(schema, xml_declaration=True, encoding="UTF-8") + b"\n"


def _add(parent: etree._Element, tag: str, **attributes: str) -> etree._Element:
    return etree.SubElement(parent, f"{{{_XS}}}{tag}", attributes)


def _document(parent: etree._Element, notes: Iterable[tuple[str, str]]) -> None:
    annotation = _add(parent, "annotation")
    for language, text in notes:
        note = _add(annotation, "documentation")
        note.set("{http://www.w3.org/XML/1998/namespace}lang", language)
        note.text = text


def _elements(parent: etree._Element, profile: Profile, path: str) -> None:
    """Declare what stands beneath a path, in the order of the fields."""
    for field in _children(profile, path):
        element = _add(parent, "element", name=field.name, minOccurs="0")
        if field.type == "table":
            most = field.occurs.rpartition("..")[2] or "1"
            element.set("maxOccurs", "unbounded" if most == "n" else most)
        if field.type in ("date", "datetime", "flag"):
            element.set("type", f"t:{field.type}")
        _document(element, _notes(field))
        if field.type in ("table", "group"):
            _elements(_add(_add(element, "complexType"), "sequence"), profile, field.path)
        elif field.type not in ("date", "datetime", "flag"):
            _value(_add(element, "simpleType"), field)


def _texts(parent: etree._Element, names: Sequence[str], **occurs: str) -> None:
    """Elements of a query or an operation, in any order."""
    texts = _add(parent, "choice", **occurs) if names else parent
    for name in names:
        _add(texts, "element", name=name, type="xs:string")


def _value(parent: etree._Element, field: Field) -> None:
    facets: dict[str, object] = {}
    if field.type == "number":
        facets = {"totalDigits": field.length, "minInclusive": field.least, "maxInclusive": field.most}
        _restrict(parent, "xs:decimal", fractionDigits=field.precision, **{k: v for k, v in facets.items() if v})
    elif field.type == "secret":
        _restrict(parent, "xs:string", pattern=REFERENCE)
    elif field.code_table or field.fill == "status":
        _restrict(parent, "xs:string", minLength=1)
    else:
        facets = {"minLength": field.least, "maxLength": field.length, "pattern": field.pattern}
        _restrict(parent, "xs:string", **{k: v for k, v in facets.items() if v})


def _restrict(parent: etree._Element, base: str, **facets: object) -> None:
    restriction = _add(parent, "restriction", base=base)
    for name, value in facets.items():
        _add(restriction, name, value=str(value))


def _enumerate(parent: etree._Element, words: Iterable[str]) -> None:
    restriction = _add(parent, "restriction", base="xs:string")
    for word in words:
        _add(restriction, "enumeration", value=word)


def _attachments(whole: etree._Element) -> None:
    attachments = _add(whole, "element", name="Attachments", minOccurs="0")
    one = _add(_add(_add(attachments, "complexType"), "sequence"), "element", name="Attachment", maxOccurs="unbounded")
    kind = _add(one, "complexType")
    _add(kind, "attribute", name="file", type="t:name", use="required")
    _add(kind, "attribute", name="category", type="xs:string")


def _attributes(root: etree._Element, profile: Profile) -> None:
    types = {"reference": "t:key", "document": "t:key", "number": "t:key", "check": "xs:boolean", "sort": "xs:string"}
    for name, type_ in {**types, "page": "xs:positiveInteger", "size": "xs:positiveInteger"}.items():
        _add(root, "attribute", name=name, type=type_)
    known = {"operation": _operations(profile), "kind": profile.queries, "format": _FORMATS, "source": _SOURCES}
    for name, words in known.items():
        if words:
            attribute = _add(root, "attribute", name=name, use="required" if name == "operation" else "optional")
            _enumerate(_add(attribute, "simpleType"), words)


def _json(profile: Profile) -> bytes:
    key = {"type": "string", "maxLength": MOST_NAME}
    whole = {"anyOf": [{"type": "integer", "minimum": 1}, {"type": "string", "pattern": "^[1-9][0-9]*$"}]}
    attachment = _object({"file": {"type": "string", "minLength": 1, "maxLength": 255}, "category": {"type": "string"}}, ["file"])
    body = _object({f.name: _property(profile, f) for f in _children(profile, "")})
    body["properties"].update({name: {"type": ["string", "number", "boolean"]} for name in _asked(profile)})
    properties: dict[str, Any] = {
        "type": {"const": profile.type},
        "operation": {"enum": _operations(profile)},
        "reference": key,
        "document": key,
        "number": key,
        "check": {"type": "boolean"},
        "kind": {"enum": list(profile.queries)},
        "page": whole,
        "size": whole,
        "sort": {"type": "string"},
        "format": {"enum": list(_FORMATS)},
        "source": {"enum": list(_SOURCES)},
        "attachments": {"type": "array", "items": attachment},
        "body": body,
    }
    schema = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": profile.namespace,
        "title": profile.title.zh,
        "description": profile.title.en,
        **_object(properties, ["type", "operation"]),
    }
    return json.dumps(schema, ensure_ascii=False, indent=1).encode() + b"\n"


def _object(properties: dict[str, Any], required: Sequence[str] = ()) -> dict[str, Any]:
    needs = {"required": list(required)} if required else {}
    return {"type": "object", "properties": properties, **needs, "additionalProperties": False}


def _property(profile: Profile, field: Field) -> dict[str, Any]:
    notes = {"title": field.label, "description": "; ".join(text for _, text in list(_notes(field))[1:])}
    if field.type == "group":
        return {**notes, **_object({f.name: _property(profile, f) for f in _children(profile, field.path)})}
    if field.type == "table":
        most = field.occurs.rpartition("..")[2] or "1"
        limit = {} if most == "n" else {"maxItems": int(most)}
        items = _object({f.name: _property(profile, f) for f in _children(profile, field.path)})
        return {**notes, "type": "array", **limit, "items": items}
    return {**notes, **_json_value(field)}


def _json_value(field: Field) -> dict[str, Any]:
    match field.type:
        case "number":
            left = f"{{1,{field.length}}}" if field.length else "+"
            right = f"(\\.[0-9]{{1,{field.precision}}}0*)?" if field.precision else "(\\.0+)?"
            least = {"minimum": float(field.least)} if field.least else {}
            most = {"maximum": float(field.most)} if field.most else {}
            text = {"type": "string", "pattern": f"^-?[0-9]{left}{right}$"}
            return {"anyOf": [{"type": "number", **least, **most}, text]}
        case "date":
            return {"type": "string", "pattern": f"^({DATE})$"}
        case "datetime":
            return {"type": "string", "pattern": f"^({TIME})$"}
        case "flag":
            return {"enum": [True, False, *_FLAGS]}
        case "secret":
            return {"type": "string", "pattern": f"^({REFERENCE})$"}
    if field.code_table or field.fill == "status":
        return {"type": "string", "minLength": 1}
    length = {"maxLength": field.length} if field.length else {}
    least = {"minLength": int(field.least)} if field.least else {}
    pattern = {"pattern": f"^({field.pattern})$"} if field.pattern else {}
    return {"type": "string", **least, **length, **pattern}
