"""附件上传: files are added to a document, replacing those of the same name (or category, where one a category is the rule)."""

from __future__ import annotations

from tongguan.gateway.document.changes import attached, changed
from tongguan.gateway.flow.local import Errand, done
from tongguan.gateway.journal.reading.records import Records
from tongguan.gateway.model.outcome import Outcome


def do(errand: Errand, records: Records) -> Outcome:
    files = attached(
        errand.document.attachments,
        errand.message,
        errand.attachments,
        errand.files,
        types=errand.media_types,
        one=errand.profile.attachments.one_a_category,
    )
    return done(errand, changed(errand.document, errand.now, attachments=files))
