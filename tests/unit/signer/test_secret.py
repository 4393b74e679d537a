"""What a document's secret field refers to: read as it was meant, or told why not."""

from __future__ import annotations

import errno
import os
from pathlib import Path
from typing import Any

import pytest

from tongguan.signer.secret import Vault, read_secret, unusable


@pytest.mark.parametrize(
    "raw",
    [b"pass word", b"pass word\n", b"pass word\r\n", b"\xef\xbb\xbfpass word\r\n"],
    ids=["bare", "unix", "windows", "notepad"],
)
def test_a_secret_is_what_was_typed_whatever_the_editor_put_round_it(tmp_path: Path, raw: bytes) -> None:
    (tmp_path / "password").write_bytes(raw)

    assert read_secret("file:password", tmp_path).reveal() == "pass word"


@pytest.mark.parametrize("closed", ["demo", "demo/desk"])
def test_a_folder_that_cannot_be_listed_is_told_and_no_file_of_it_called_absent(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, closed: str
) -> None:
    (tmp_path / "demo" / "desk").mkdir(parents=True)
    (tmp_path / "demo" / "desk" / "password").write_text("x")
    listed = os.scandir

    def refused(place: Any) -> Any:
        if Path(place) == tmp_path / closed:
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(place))
        return listed(place)

    vault = Vault(tmp_path)
    vault.look("demo")
    assert unusable(vault.seen, "demo", "file:desk/password") is None
    assert unusable(vault.seen, "demo", "file:other") == ("No such file or directory",) * 2
    monkeypatch.setattr(os, "scandir", refused)
    vault.look("demo")

    assert unusable(vault.seen, "demo", "file:desk/password") == (f"secrets/{closed}: Permission denied",) * 2
