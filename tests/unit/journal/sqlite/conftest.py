"""What is SQLite's alone, or looks into its file: pages, pragmas, plans, migrations, what is altered behind the journal's back."""

from __future__ import annotations

from pathlib import Path

import pytest
from journals import Database, Sqlite


@pytest.fixture
def database(tmp_path: Path) -> Database:
    return Sqlite(tmp_path)
