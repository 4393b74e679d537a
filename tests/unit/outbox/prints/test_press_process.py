"""The printing process ends with its gateway, however that ended."""

from __future__ import annotations

import signal
import subprocess
import sys

from patience import ended

from tongguan.outbox.prints.pdf_process import frame


def test_a_press_whose_gateway_was_killed_in_the_middle_of_a_print_ends_without_a_word() -> None:
    words = [sys.executable, "-P", "-m", "tongguan.outbox.prints.pdf_process", str(1 << 32)]
    pipe = subprocess.PIPE
    with subprocess.Popen(words, stdin=pipe, stdout=pipe, stderr=pipe) as press:
        assert press.stdin and press.stdout and press.stderr
        press.stdout.close()
        press.stdin.write(frame(b"no font\nno sheets"))
        press.stdin.close()

        assert ended(press, "the press") == -signal.SIGPIPE
        assert press.stderr.read() == b""
