"""A journal that is filled in bulk is one that the gateway could have written."""

from __future__ import annotations

import sys
from pathlib import Path

import grown_journal
import pytest
from grown_journal import KINDS, Growth
from journals import comes, open_journal, stored, submission, written

from tongguan.gateway.journal.reading.cursor import Cursor


@pytest.mark.parametrize("kind", KINDS)
def test_each_kind_is_history_and_what_comes_after_it_too(tmp_path: Path, kind: str) -> None:
    journal = open_journal(tmp_path)
    written(journal, comes(submission("before")))
    Growth(journal).add(kind, 30)
    Growth(journal).add(kind, 3)
    written(journal, comes(submission("after")))

    assert (stored(journal, "before").sequence, stored(journal, "after").sequence) == (1, 35)
    assert journal.verify().broken is None
    journal.close()


def test_a_home_is_grown_and_counts_as_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "tongguan.toml").write_text(
        '[gateway]\nenvironment = "test"\n[[account]]\nname = "demo"\ntitle = "示例"\nuscc = "91310000000000001A"\n',
        encoding="utf-8",
    )
    monkeypatch.setattr(sys, "argv", ["grown_journal", str(tmp_path), "--finished", "5", "--same-named", "3"])
    grown_journal.main()
    journal = open_journal(tmp_path)
    with journal.search() as records:
        counts = {state: count for _, _, state, count in records.tally()}

    assert counts == {"accepted": 5, "refused": 3}
    assert journal.checkpoint("teller:demo") != Cursor()
    journal.close()
