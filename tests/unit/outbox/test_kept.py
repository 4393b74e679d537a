"""What a teller keeps in mind takes little memory, however many messages passed."""

from __future__ import annotations

import tracemalloc

from hypothesis import given
from hypothesis import strategies as st
from journals import submission

from tongguan.gateway.system.storage import file_names
from tongguan.outbox.status.index import OpenMessages
from tongguan.outbox.status.presence import _packed, _unpacked


def test_a_line_of_the_index_takes_about_as_much_as_it_says() -> None:
    index, messages = OpenMessages("demo"), [submission(sequence=n) for n in range(300)]
    index._lines = {}
    tracemalloc.start()
    index.told(messages)
    size = tracemalloc.get_traced_memory()[0]
    tracemalloc.stop()

    assert size < 2048 * len(messages)


@given(st.sets(st.binary(min_size=1).filter(lambda name: not set(name) & {0, 0x2F})))
def test_names_that_were_packed_come_out_as_they_were(names: set[bytes]) -> None:
    texts = {file_names.as_text(name) for name in names}

    assert _unpacked(_packed(texts)) == texts


def test_a_hundred_thousand_names_take_a_few_megabytes() -> None:
    names = [f"Successed_m{n:07d}_2026112913{n:08d}.xml" for n in range(100_000)]

    assert len(_packed(names)) < 2_000_000
