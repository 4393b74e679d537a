"""附件上传: files are added to a document, replacing those of the same name (or category, where one a category is the rule)."""

from __future__ import annotations

from tongguan.gateway.document.changes import attached, changed
from tongguan.gateway.flow.local import LocalRequest, done
from tongguan.gateway.journal.reading.snapshot import Snapshot
from tongguan.gateway.model.outcome import Outcome


def do(request: LocalRequest, records: Snapshot) -> Outcome:
    files = attached(
        request.document.attachments,
        request.message,
        request.attachments,
        request.files,
        types=request.media_types,
        one=request.profile.attachments.one_a_category,
    )
    return done(request, changed(request.document, request.business, attachments=files))
