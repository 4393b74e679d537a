"""许可证下载: the file that an authority's answer holds becomes a result file of the enterprise."""

from __future__ import annotations

import base64
import binascii

from tongguan.gateway.flow.local import LocalRequest, done
from tongguan.gateway.journal.reading.snapshot import Snapshot
from tongguan.gateway.model.errors import Held
from tongguan.gateway.model.outcome import Answer, Body, Outcome
from tongguan.gateway.model.record import replace
from tongguan.gateway.system.storage.file_names import extension, stem


def do(request: LocalRequest, records: Snapshot) -> Outcome:
    """`Result_<name>` with the file's own extension; held when the answer has no readable file."""
    answered, message = request.answered or {}, request.message
    try:
        content = base64.b64decode(answered["File"], validate=True)
    except (KeyError, binascii.Error):
        raise Held("主管部门的答复里没有文件", "the authority's answer holds no file", do=f"tongguan show {message.id}") from None
    suffix = extension(answered.get("File@name", "").encode()).decode() or ".pdf"
    answer = Answer(
        message.id,
        message.document_id,
        "result",
        f"Result_{stem(message.source or message.id)}",
        suffix,
        content,
        message.account,
    )
    body = Body(message.id, "result", content)
    return replace(done(request), answers=(answer,), bodies=(body,))
