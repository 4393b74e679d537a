"""What every database behind the journal's port must do. A second one is one line more in `journals.DATABASES`.

The tests here know the port, the nouns and what is read; what is SQLite's alone stands in `sqlite/`.
"""

from __future__ import annotations

from pathlib import Path

import pytest
from journals import DATABASES, Database


@pytest.fixture(params=DATABASES)
def database(request: pytest.FixtureRequest, tmp_path: Path) -> Database:
    return DATABASES[request.param](tmp_path)
