"""What a check comes to with the first look, and by the walk alone: they must be the same."""

from __future__ import annotations

from collections.abc import Callable
from unittest.mock import patch

from tongguan.codecs.checking import check as checking
from tongguan.codecs.checking.check import Checked


def with_and_without(run: Callable[[], Checked]) -> tuple[str, str]:
    """Content, faults, fills and options of both, with the order of everything."""
    with patch.object(checking, "plain_xml", lambda *_: None):
        walked = run()
    return repr(run()), repr(walked)
