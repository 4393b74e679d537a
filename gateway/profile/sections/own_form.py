"""`[own_form]`: how an authority itself writes a document, its answers to it, and what is signed of its fields."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping
from string import Formatter
from typing import Any, NamedTuple

from tongguan.gateway.profile.profile import EnclosedSheet, Field, OwnAnswer, OwnForm, OwnForms, Profile
from tongguan.gateway.profile.source import Complaints, TomlTable, table_of

DATES = ("yyyyMMdd",)
#: what sealing may write at a path: the word of the operation, the card's number, the signature over the fields, the time
SEALED = ("operation", "card", "signature", "yyyyMMddHHmmss", "yyyyMMddHHmmssSS")
SHEET_WORDS = ("file", "size", "time")  #: blanks of a sheet's row, beside elements
_SIGN_ORDER = re.compile(r"([0-9]+)(?::([^=]+)=(.+))?")


class SignedField(NamedTuple):
    """A field that the signature over the fields covers, where the condition holds."""

    order: int
    field: Field
    only_at: str = ""  #: a path from the top
    only_is: str = ""  #: and what must stand there


def read_own_form(part: TomlTable, numbers: Collection[str], fields: Mapping[str, Field], operations: Collection[str]) -> OwnForm:
    def answer(key: str) -> OwnAnswer | None:
        if not part.take(key, table_of, dict[str, Any]()):
            return None
        one = part.file.part(*part.keys, key)
        return one.made(OwnAnswer, {"numbers": numbers}, ("root", "code"))

    def sheet() -> EnclosedSheet | None:
        if not part.take("enclosed", table_of, dict[str, Any]()):
            return None
        words = {"table": fields, "told_in": fields}
        return part.file.part(*part.keys, "enclosed").made(EnclosedSheet, words, ("table", "columns", "file", "told_in", "row"))

    technical, business, enclosed = answer("technical"), answer("business"), sheet()
    return part.made(
        OwnForm,
        {"reference": fields, "operation": fields, "operations": operations, "dates": DATES, "without": fields, "sealed": fields},
        ("root", "namespace", "reference", "operation", "operations"),
        technical=technical,
        business=business,
        enclosed=enclosed,
    )


def look_at_own_form(profile: Profile, whole_profile: TomlTable) -> None:
    """Are the words that sealing writes known, the columns and blanks of the sheet there, and the order of the signature told well?"""
    form, complaints = profile.own_form, whole_profile.file.complaints
    fields = {field.path: field for field in profile.fields}
    for one in profile.fields:
        told = _SIGN_ORDER.fullmatch(one.sign_order)
        if one.sign_order and (form is None or told is None or (told[2] and told[2] not in fields)):
            said = repr(one.sign_order)
            complaints.add(
                one.place, f"sign_order {said} 不像 12 或 12:路径=值", f"sign_order {said} is not like 12 or 12:path=value"
            )
    if form is None:
        return
    place = whole_profile.place("own_form")
    for path, word in form.sealed.items():
        if word not in SEALED:
            complaints.unknown(place, "key", word, SEALED, f"own_form.sealed.{path}")
    if form.enclosed is not None:
        _look_at_sheet(form.enclosed, fields, place, complaints)


def _look_at_sheet(sheet: EnclosedSheet, fields: Mapping[str, Field], place: str, complaints: Complaints) -> None:
    for path in (*(f"{sheet.table}/{c}" for c in sheet.columns), *(f"{sheet.told_in}/{c}" for c in sheet.row)):
        if path not in fields:
            complaints.unknown(place, "field", path, fields)
    known = {field.name for field in fields.values() if "[]" not in field.path}
    for text, words in ((sheet.file, known), *((text, known | set(SHEET_WORDS)) for text in sheet.row.values())):
        for blank in blanks(text) - words:
            complaints.unknown(place, "field", blank, words)


def blanks(text: str) -> set[str]:
    return {name for _, name, _, _ in Formatter().parse(text) if name is not None}


def own_forms(profiles: Mapping[str, Profile], complaints: Complaints | None = None) -> dict[str, Profile]:
    """The types that have an own form, by its root; two may not have the same."""
    found: dict[str, Profile] = {}
    for profile in profiles.values():
        if (form := profile.own_form) is None:
            continue
        tag = f"{{{form.namespace}}}{form.root}"
        if tag in found and complaints is not None:
            other = found[tag].type
            complaints.add(f"{profile.folder}/profile.toml:1", f"{other} 已有根元素 {tag}", f"{other} has the root {tag} already")
        found[tag] = profile
    return found


def own_answers(forms: OwnForms) -> dict[str, OwnAnswer]:
    """How these types' authorities answer in forms of their own, by the root."""
    own = (profile.own_form for profile in forms.values() if profile.own_form is not None)
    answers = (answer for form in own for answer in (form.technical, form.business) if answer is not None)
    return {f"{{{one.namespace}}}{one.root}" if one.namespace else one.root: one for one in answers}


def signed_fields(fields: Iterable[Field]) -> list[SignedField]:
    """What the signature over the fields covers, in its order."""
    told = ((_SIGN_ORDER.fullmatch(field.sign_order), field) for field in fields if field.sign_order)
    return sorted(SignedField(int(found[1]), field, found[2] or "", found[3] or "") for found, field in told if found is not None)
