"""`tongguan bench` measures a gateway in processes of its own, and says what every one of them used."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import brokers
import pytest

from tongguan.gateway.bench.bench import Run, measure
from tongguan.gateway.bench.process import used_by

FIGURES = re.compile(
    r"([\d.]+) msgs/s (\w+) n=(\d+)(?: rounds=\d+ \[([\d.]+)\.\.([\d.]+)\])? .*peak ([\d.]+) MB.* \| "
    r"CPU ([\d.]+) ms a message, endpoint ([\d.]+)"
)


def figures(line: str) -> list[float]:
    found = FIGURES.match(line)
    assert found, line
    return [float(word) for word in found.groups() if word and word[0].isdigit()]


@pytest.mark.long
@pytest.mark.parametrize("part", ["e2e", "accept", "idle", "memory"])
def test_one_line_says_rate_memory_and_processor(tmp_path: Path, part: str) -> None:
    line = measure(Run(part, messages=2), tmp_path)

    assert len(line.splitlines()) == 1
    assert all(value > 0 for value in figures(line)[:4]), line
    assert list(tmp_path.iterdir()) == []


@pytest.mark.long
def test_of_several_rounds_the_median_and_the_range_are_said(tmp_path: Path) -> None:
    rate, _, least, most = figures(measure(Run(messages=1, rounds=2), tmp_path))[:4]

    assert least <= rate <= most


@pytest.mark.long
def test_a_queue_is_measured_beside_the_folder_and_leaves_no_queue_behind(tmp_path: Path) -> None:
    with brokers.virtual_host() as name:
        line = measure(Run(messages=10, broker=brokers.address_of(name)), tmp_path)
        left = brokers.control("list_queues", "-p", name, "--no-table-headers", "name").split()

    form = r"[\d.]+ msgs/s queues n=10 rounds=1 \| by folder [\d.]+ msgs/s, ratio .* by folder with events [\d.]+ of the rate without"
    assert re.match(form, line), line
    assert "tongguan.submit.demo" not in left
    assert list(tmp_path.iterdir()) == []


def test_what_a_process_used_includes_what_it_began() -> None:
    work = "sum(range(3_000_000))"
    script = f"import subprocess, sys; other = subprocess.Popen([sys.executable, '-c', 'import sys; {work}; print(1, flush=True); sys.stdin.read()'])"
    with subprocess.Popen(
        [sys.executable, "-c", f"{script}; other.wait()"], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        assert process.stdout is not None and process.stdin is not None
        process.stdout.readline()
        used = used_by(process.pid)
        process.stdin.close()

    assert len(used.now_mb) == len(used.most_mb) == 2
    assert min(used.now_mb) > 1
    assert used.seconds >= 2 / os.sysconf("SC_CLK_TCK")


def test_a_gateway_that_does_not_begin_ends_the_measurement_with_what_it_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Run, "options", ["--no-such-option"])

    with pytest.raises(RuntimeError, match="no-such-option"):
        measure(Run(messages=1), tmp_path)


@pytest.mark.long
def test_papers_that_are_asked_for_and_exported_stand_beside_their_signing_alone(tmp_path: Path) -> None:
    line = measure(Run("documents", messages=1), tmp_path)

    assert re.match(
        r"[\d.]+ declarations/s documents n=50 in requests of 50, [\d.]+ ms each \(until all were made [\d.]+ s of [\d.]+\), peak [\d.]+ MB.* "
        r"\| signing alone [\d.]+ ms, ratio [\d.]+ \| CPU [\d.]+ ms each, simulators [\d.]+, signing alone [\d.]+$",
        line,
    ), line
    assert list(tmp_path.iterdir()) == []


@pytest.mark.long
def test_a_month_that_is_merged_gives_the_lines_that_the_loop_finds(tmp_path: Path) -> None:
    line = measure(Run("merge", messages=3000), tmp_path)

    found = re.match(
        r"[\d.]+ lines/s merge n=3000 into (\d+) of (\d+) lines, CPU [\d.]+ s, peak \d+ MB \| a loop over text, CPU [\d.]+ s, peak \d+ MB, "
        r"ratio [\d.]+, of memory [\d.]+ \| written with their relation, CPU [\d.]+ s, bare inserts [\d.]+ s, ratio [\d.]+ "
        r"\| while 150 lists are merged \([\d.]+ s\) another account's message p50 [\d.]+ ms p99 [\d.]+ ms, without p50 [\d.]+ ms p99 [\d.]+ ms, "
        r"ratio [\d.]+ and [\d.]+ \| a list with keys CPU [\d.]+ ms, of it -?[\d.]+ ms for them, ratio [\d.]+$",
        line,
    )
    assert found, line
    assert (int(found[1]), 200 < int(found[2]) <= 300) == (6, True)
    assert list(tmp_path.iterdir()) == []
