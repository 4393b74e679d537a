"""The press: what goes wrong in the middle of an answer spoils no other print."""

from __future__ import annotations

import os
import resource
from collections.abc import Iterator
from pathlib import Path

import pytest

from tongguan.outbox.prints import pdf_worker as press_module
from tongguan.outbox.prints.pdf_worker import PdfWorker, PrintFailed


@pytest.mark.parametrize("error", [MemoryError, OSError, KeyboardInterrupt])
def test_whatever_breaks_an_answer_off_the_next_print_has_a_process_of_its_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: type[BaseException]
) -> None:
    read = press_module._read

    def breaks(pipe: int, length: int, until: float) -> bytes:
        monkeypatch.setattr(press_module, "_read", read)
        raise error("of the test")

    monkeypatch.setattr(press_module, "_read", breaks)
    press = PdfWorker(timeout=600, most_bytes=1_000_000_000)
    with pytest.raises(error):
        press.pdf(tmp_path / "none.ttf", [])
    assert press.pid is None
    with pytest.raises(PrintFailed):
        press.pdf(tmp_path / "none.ttf", [])
    assert press.pid is not None
    press.close()


@pytest.fixture
def many_open_files() -> Iterator[None]:
    """More open files than `select` can count."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, 4096 if hard == resource.RLIM_INFINITY else min(4096, hard)), hard))
    handles = [os.open(os.devnull, os.O_RDONLY) for _ in range(1100)]
    yield
    for handle in handles:
        os.close(handle)
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


@pytest.mark.usefixtures("many_open_files")
def test_a_gateway_with_very_many_open_files_prints(tmp_path: Path) -> None:
    press = PdfWorker(timeout=600, most_bytes=1_000_000_000)
    with pytest.raises(PrintFailed, match=r"none\.ttf"):  # the press's own answer
        press.pdf(tmp_path / "none.ttf", [])
    press.close()
