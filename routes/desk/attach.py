"""附件上传: files are added to a document, replacing those of the same name (or category, where one a category is the rule)."""

from __future__ import annotations

from tongguan.gateway.kernel.documents import attached, changed
from tongguan.gateway.kernel.outcome import Outcome
from tongguan.gateway.kernel.records import Records
from tongguan.routes.desk import Errand, done


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
