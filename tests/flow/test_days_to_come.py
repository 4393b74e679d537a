"""No day to come turns the tests red: those that go by the calendar are run with the machine's clock on such days, by libfaketime."""

from __future__ import annotations

import os
import subprocess
import sys
from datetime import datetime
from pathlib import Path

import pytest

from tongguan.gateway.system import clock

ROOT = Path(__file__).parents[2]
BY_THE_CALENDAR = (
    "tests/profiles/test_examples.py",
    "tests/unit/cli/test_check.py",
    "tests/unit/cli/test_sample_tables.py",
    "tests/unit/document/test_expiry.py",
    "tests/unit/flow/test_verdicts.py",
    "tests/flow/test_ew_entry.py::test_drafts_and_failed_ones_are_deleted",
    "tests/flow/test_ex_application.py::test_the_numbers_have_the_shapes_of_the_form",
    "tests/flow/test_na_customs.py::test_the_customs_status_is_found_by_year_numbers_and_days",
    "tests/flow/test_na_entry.py::test_every_field_of_the_form_is_taken_and_the_systems_own_are_filled",
    "tests/flow/test_na_queries.py::test_a_list_has_its_columns_and_every_filter_finds_its_documents",
    "tests/flow/test_statistics.py::test_statistics_say_what_was_approved_in_a_month_and_in_the_year_so_far",
    "tests/flow/test_me_application.py",
    "tests/flow/test_receipts_shared.py",
    "tests/flow/test_retention.py",
)


@pytest.mark.long
@pytest.mark.parametrize("day", ["2027-01-02T10:00:00+08:00", "2027-12-31T23:50:00+08:00", "2028-02-29T10:00:00+08:00"])
def test_what_goes_by_the_calendar_is_right_on_another_day(day: str) -> None:
    if not os.environ.get("CI"):
        pytest.importorskip("libfaketime")
    import libfaketime

    _, moved = libfaketime.get_reload_information()
    ahead = (datetime.fromisoformat(day) - clock.now()).total_seconds()
    env = {**os.environ, **moved, "FAKETIME": f"{ahead:+.0f}"}
    for ours in ("PYTEST_XDIST_WORKER", "PYTEST_XDIST_WORKER_COUNT", "PYTEST_CURRENT_TEST"):
        env.pop(ours, None)

    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "--show-capture=no", "-p", "no:cacheprovider", "-m", "not long", *BY_THE_CALENDAR],
        check=False, cwd=ROOT, env=env, capture_output=True, text=True,
    )  # fmt: skip

    assert done.returncode == 0, done.stdout[-8000:] + done.stderr[-2000:]
