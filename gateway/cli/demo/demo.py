"""`tongguan demo`: a fresh home, simulators and gateway as processes of their own, every example through the drop folder.

It judges only by what an enterprise sees: the status files of the mailbox.
"""

from __future__ import annotations

import shutil
import tempfile
import threading
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import orjson

from tongguan.gateway.cli import context
from tongguan.gateway.cli.context import t
from tongguan.gateway.cli.demo.delivery import Deliver, by_folder, by_queue
from tongguan.gateway.cli.demo.examples import Example, read_examples, repeated
from tongguan.gateway.cli.demo.processes import Child, child, end_in_order
from tongguan.gateway.cli.demo.progress import Progress, open_progress
from tongguan.gateway.cli.output import print_json, print_table, print_text, say
from tongguan.gateway.daemon.start_checks import sample
from tongguan.gateway.home import home as homes
from tongguan.gateway.profile.loading import load_profiles
from tongguan.gateway.system import clock, times
from tongguan.gateway.system.business_clock import BusinessClock

_PATIENCE_SECONDS = 25  #: since anything moved
_SHOWN_REPEATS = 3


@dataclass
class Course:
    """What happened to the examples so far."""

    waiting: dict[str, Example]
    dropped: dict[str, Example] = field(default_factory=dict)
    done: dict[str, dict[str, Any]] = field(default_factory=dict)  #: reached what it should, with its last status
    failed: dict[str, dict[str, Any]] = field(default_factory=dict)


def play(messages: int, keep: Path | None, *, broker: str = "") -> int:
    """Play every example, through a queue where a broker is named; 0 only when each ended as its profile says."""
    profiles = load_profiles()
    examples = read_examples(profiles, times.china_date(BusinessClock().now_ms()))
    examples += repeated(examples, profiles, messages)
    end_in_order()
    home = keep or Path(tempfile.mkdtemp(prefix="tongguan-demo-")) / "home"
    try:
        made = homes.make_home(home, port_base=0, language=context.language())
        began = clock.monotonic()
        with open_progress(len(examples)) as progress:
            progress.say(t(f"主目录 {home}，测试卡：{made.cards}", f"home {home}, test cards: {made.cards}"))
            with by_queue(home, broker) if broker else nullcontext(by_folder(home)) as deliver:
                course = _through(home, examples, progress, deliver)
        seconds = clock.monotonic() - began
        return _told(home, examples, course, seconds=seconds, kept=keep is not None)
    except (KeyboardInterrupt, SystemExit):  # ended by somebody; what fails by itself stays to be looked at
        if keep is None:
            shutil.rmtree(home.parent, ignore_errors=True)
        raise


def _through(home: Path, examples: Sequence[Example], progress: Progress, deliver: Deliver) -> Course:
    pause = threading.Event().wait
    with child(home, ["simulate", "--fast"]) as simulators:
        simulators.until((home / homes.PORTS_FILE).is_file, seconds=30, pause=pause)
        homes.set_ports(home)
        progress.say(t("模拟器已就绪", "the simulators are ready"))
        with child(home, ["run"]) as gateway:
            gateway.until((home / "daemon.sock").exists, seconds=30, pause=pause)
            progress.say(t("网关已就绪", "the gateway is ready"))
            course = Course({example.name: example for example in examples})
            _follow(home, course, (simulators, gateway), progress, deliver)
            # Once more at the end: what was expected on the way may have moved on since.
            _look(home, course, final=True)
    return course


def _follow(home: Path, course: Course, children: tuple[Child, Child], progress: Progress, deliver: Deliver) -> None:
    """Drop what may be dropped and watch the status files until all is done or nothing moves."""
    still = clock.monotonic()
    pause = threading.Event().wait
    while (course.waiting or course.dropped) and clock.monotonic() - still < _PATIENCE_SECONDS:
        moved = _deliver(course, deliver)
        for name in _look(home, course):
            progress.step(name, ok=name in course.done)
            moved = True
        if moved:
            still = clock.monotonic()
        else:
            for each in children:
                each.must_run()
            pause(0.05)


def _deliver(course: Course, deliver: Deliver) -> bool:
    """Send whatever waits for nothing any more; what waits for a failed one will never be."""
    ready = [e for e in course.waiting.values() if all(name in course.done for name in e.after)]
    deliver(ready)
    for example in ready:
        course.dropped[example.name] = course.waiting.pop(example.name)
    hopeless = [e for e in course.waiting.values() if any(name in course.failed for name in e.after)]
    for example in hopeless:
        course.failed[example.name] = {}
        del course.waiting[example.name]
    return bool(ready or hopeless)


def _look(home: Path, course: Course, *, final: bool = False) -> list[str]:
    """The examples that have ended since the last look."""
    status = home / "mailboxes" / sample.NAME / "Status"
    ended = []
    for name, example in list(course.dropped.items()):
        seen = _read(status / f"{example.file}.status.json")
        if _as_expected(example, seen):
            course.done[name] = seen
        elif _hopeless(example, seen) or final:
            course.failed[name] = seen
        else:
            continue
        del course.dropped[name]
        ended.append(name)
    if final:
        course.failed.update({name: {} for name in course.waiting})
        for seen in (course.done, course.failed):
            seen.update({n: s for n in seen if (s := _read(status / f"{_file_of(n)}.status.json"))})
    return ended


def _file_of(name: str) -> str:
    return name.replace("/", "_")


def _read(path: Path) -> dict[str, Any]:
    try:
        return dict(orjson.loads(path.read_bytes()))
    except FileNotFoundError:
        return {}


def _as_expected(example: Example, seen: Mapping[str, Any]) -> bool:
    status = (seen.get("business_status") or {}).get("code", "")
    return seen.get("state") == example.state and example.status in ("", status)


def _hopeless(example: Example, seen: Mapping[str, Any]) -> bool:
    """It ended otherwise, or waits for a person. A document's status may still follow its message's verdict."""
    return bool(seen) and seen["state"] != example.state and (seen["final"] or seen["state"] == "held")


def _told(home: Path, examples: Sequence[Example], course: Course, *, seconds: float, kept: bool) -> int:
    if context.as_json():
        print_json({"ok": not course.failed, "seconds": round(seconds, 1), "done": course.done, "failed": course.failed})
    else:
        _show(examples, course)
        for name, seen in course.failed.items():
            _show_failure(next(e for e in examples if e.name == name), seen)
        many = len(course.done)
        say(f"{many} 条按预期完成，{len(course.failed)} 条不符，用时 {seconds:.1f} 秒", f"{many} ended as expected, {len(course.failed)} did not, in {seconds:.1f} s")  # fmt: skip
    if course.failed or kept:
        look = f"tongguan list --home {home}"
        context.complain(f"主目录保留在 {home}；查看：{look}", f"the home stays at {home}; look: {look}")
    else:
        shutil.rmtree(home.parent, ignore_errors=True)
    return 1 if course.failed else 0


def _show(examples: Sequence[Example], course: Course) -> None:
    rows, repeats = [], Counter[str]()
    for example in examples:
        seen = course.done.get(example.name) or course.failed.get(example.name) or {}
        kind = example.name.rpartition("-")[0] if example.name[-9:-4].isdigit() else example.name
        repeats[kind] += 1
        if repeats[kind] > _SHOWN_REPEATS:
            continue
        receipts = " ".join(receipt["code"] for receipt in seen.get("receipts", ()))
        status = (seen.get("business_status") or {}).get("text", "")
        numbers = list((seen.get("numbers") or {}).values())
        rows.append((example.name, seen.get("operation"), seen.get("state"), status, numbers, receipts))
    print_table("报文 操作 状态 单证状态 编号 回执", "message operation state status numbers receipts", rows, state_at=2)


def _show_failure(example: Example, seen: Mapping[str, Any]) -> None:
    wanted = " ".join(filter(None, (example.state, example.status)))
    got = seen.get("state") or t("没有处理", "not taken")
    say(f"✗ {example.name}：应为 {wanted}，现为 {got}", f"✗ {example.name}: {wanted} expected, it is {got}")
    for fault in seen.get("faults", ()):
        print_text(f"    {fault['code']} {fault['path']} {fault['message']}")
    if seen.get("hold"):
        print_text(f"    {seen['hold']['reason']}: {seen['hold']['do']}")
