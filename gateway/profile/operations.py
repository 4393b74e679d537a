"""What can be done with a document type, and what may hang on it."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from tongguan.gateway.profile.profile import OPERATIONS, AttachmentRule, Authority, CodeTable, NumberRule, Operation, Status
from tongguan.gateway.profile.source import TomlTable, text, truth, whole
from tongguan.gateway.settings import size, span

_USUAL = Operation("", "")
OperationScope = tuple[Mapping[str, Status], Mapping[str, NumberRule], Mapping[str, Authority], Collection[str]]


def read_operation(part: TomlTable, name: str, known: OperationScope) -> Operation:
    statuses, numbers, authorities, paths = known
    if name not in OPERATIONS:
        part.file.complaints.unknown(part.place(), "operation", name, OPERATIONS)
    operation = Operation(
        name=name,
        way=part.one_of("way", ("desk", "message", "query"), ""),
        desk=part.take("desk", text, ""),
        route=part.one_of("route", authorities, ""),
        ask=part.take("ask", text, ""),
        signed=part.take("signed", truth, False),
        card_bound=part.take("card_bound", truth, False),
        card_present=part.take("card_present", truth, False),
        roles=part.names("roles", ("legal", "operator"), "role"),
        body=part.one_of("body", ("whole", "optional", "none"), _USUAL.body),
        allowed=frozenset(part.names("allowed", ("", *statuses), "status")),
        between=part.one_of("between", statuses, ""),
        to=part.one_of("to", statuses, ""),
        opens_round=part.take("opens_round", truth, False),
        waits=part.take("waits", truth, True),
        give_up=part.take("give_up", span, _USUAL.give_up),
        answer_within=part.take("answer_within", span, _USUAL.answer_within),
        give_numbers=part.names("give_numbers", numbers, "number"),
        reserve=part.names("reserve", paths, "field"),
        options=part.tables("options"),
        signed_when=tuple(part.rows("signed_when")),
    )
    if not operation.way:
        part.complain(
            "way",
            f"操作 {name} 没有 way：desk、message 或 query",
            f"operation {name} has no way: desk, message or query",
        )
    if operation.way == "message" and not operation.route:
        part.complain("route", f"操作 {name} 以报文发出，却没有路线", f"operation {name} goes by message but names no route")
    part.rest_is_unknown()
    return operation


def read_attachments(whole_profile: TomlTable, tables: Mapping[str, CodeTable], operations: Collection[str]) -> AttachmentRule:
    if not whole_profile.tables("attachments"):
        return AttachmentRule()
    part = whole_profile.file.part("attachments")
    categories = part.one_of("categories", tables, "")
    codes = tuple(tables[categories].rows) if categories in tables else ()
    rule = AttachmentRule(
        types=part.names("types", ("application/pdf", "image/jpeg", "image/png", "image/tiff"), "media type"),
        most_bytes=part.take("most_bytes", size, 0),
        most_bytes_a_page=part.take("most_bytes_a_page", size, 0),
        most_files=part.take("most_files", whole, 0),
        categories=categories,
        category_codes=codes,
        one_of=part.names("one_of", codes, "category") if codes else part.words("one_of"),
        required_at=frozenset(part.names("required_at", operations, "operation")),
        one_a_category=part.take("one_a_category", truth, False),
        when=tuple(part.rows("when")),
    )
    part.rest_is_unknown()
    return rule
