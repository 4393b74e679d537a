"""导出/打印: the files that an authority's answer holds, one for each row that was asked for, become one result of the enterprise.

A single file comes as it is; several come in one ZIP with a sheet that lists them, and the rows for which there is none.
"""

from __future__ import annotations

import csv
import hashlib
import io
import zipfile
from collections.abc import Sequence

from tongguan.gateway.document.changes import rows_of, value_at
from tongguan.gateway.flow.local import AnsweredFile, LocalRequest, done
from tongguan.gateway.flow.query.answers.operation_log import PICKED
from tongguan.gateway.flow.submission.checks.picks import picked
from tongguan.gateway.journal.reading.snapshot import Snapshot
from tongguan.gateway.model.document import Content
from tongguan.gateway.model.errors import Held
from tongguan.gateway.model.outcome import Answer, Body, Outcome
from tongguan.gateway.model.record import replace
from tongguan.gateway.profile.profile import PickedRows
from tongguan.gateway.system.storage.file_names import stem

INDEX = "index.csv"
_PACKED = (".pdf", ".xlsx", ".zip")  #: files that are packed in themselves: once more takes time and gains nothing
_MADE_AT = (1980, 1, 1, 0, 0, 0)  #: of every file in the ZIP: the same answer makes the same bytes


def do(request: LocalRequest, records: Snapshot) -> Outcome:
    """`Result_<name>`; held where the answer lacks a file that was asked for, or has another."""
    rules, message = request.operation.picks, request.message
    assert rules is not None
    wanted = [row.get(rules.key, "") for row in rows_of(request.content, rules.table)]
    files = request.answered_files
    if sorted({file.of for file in files}) != sorted(wanted):
        zh, en = "主管部门的答复里的文件与所要的不符", "the files of the authority's answer are not those that were asked for"
        raise Held(zh, en, do=f"tongguan retry {message.id}; tongguan give-up {message.id}")
    every = picked(rules, request.document.content, request.options).rows
    alone = len(files) == 1 and len(every) == 1
    suffix, content = (
        (f".{files[0].name.rpartition('.')[2]}", files[0].content) if alone else (".zip", _zipped(rules, every, files))
    )
    until = min((row["Until"] for row in every if row.get("Until")), default="") if rules.until else ""
    until = until or value_at(request.document.content, rules.until)
    extra = {**(message.extra or {}), PICKED: wanted}
    outcome = done(request)
    named = f"Result_{stem(message.source or message.id)}"
    answer = Answer(message.id, message.document_id, "result", named, suffix, content, message.account, kept_until=until or None)
    return replace(
        outcome,
        message=replace(outcome.message, extra=extra),
        answers=(answer,),
        bodies=(Body(message.id, "result", content),),
    )


def _zipped(rules: PickedRows, every: Sequence[Content], files: Sequence[AnsweredFile]) -> bytes:
    """The files, and in front of them the sheet that lists them."""
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w") as archive:
        for name, content in ((INDEX, _index(rules, every, files)), *((file.name, file.content) for file in files)):
            packed = zipfile.ZIP_STORED if name.endswith(_PACKED) else zipfile.ZIP_DEFLATED
            archive.writestr(zipfile.ZipInfo(name, _MADE_AT), content, packed)
    return target.getvalue()


def _index(rules: PickedRows, every: Sequence[Content], files: Sequence[AnsweredFile]) -> bytes:
    """A line for each file, and for each row without one; every cell a text, so that long numbers keep their digits."""
    columns = [rules.key, rules.field, *rules.shows]
    lines = [[*columns, "file", "bytes", "sha256"]]
    for row in every:
        own = [file for file in files if file.of == row.get(rules.key)]
        told = [row.get(column, "") for column in columns]
        lines += [[*told, file.name, str(len(file.content)), hashlib.sha256(file.content).hexdigest()] for file in own]
        lines += [] if own else [[*told, "", "", ""]]
    text = io.StringIO()
    csv.writer(text, quoting=csv.QUOTE_ALL).writerows(lines)
    return text.getvalue().encode("utf-8-sig")
