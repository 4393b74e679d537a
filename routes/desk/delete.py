"""删除: a draft goes; its key and what it had reserved are free again, its numbers are never given anew."""

from __future__ import annotations

from tongguan.gateway.kernel.changing import replace
from tongguan.gateway.kernel.documents import all_reservations, changed
from tongguan.gateway.kernel.outcome import Outcome
from tongguan.gateway.kernel.records import Records
from tongguan.routes.desk import Errand, done


def do(errand: Errand, records: Records) -> Outcome:
    gone = changed(errand.document, errand.now, deleted=True, facts={})
    return replace(done(errand, gone), release=all_reservations(errand.profile, errand.document))
