"""docs/integrators.md as an integrator lives it: both clients as they stand there, under a user with the rights of the recipe and no others."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import time
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import amqp
import bodies as b
import brokers
import pytest
from queue_client import QueueClient, client
from queue_desk import QueueSite, open_queue_site
from sites import wait_until

pytestmark = pytest.mark.requirement("GW-02")
DOCS = Path(__file__).parents[2] / "docs"
CLIENTS = DOCS / "integrators"
PASSWORD = "of-the-test"


def in_javascript() -> list[str]:
    """How the client is run; skipped, or failed in CI, where there is no node, or its packages were not installed by `make test`."""
    node, packages = shutil.which("node"), CLIENTS / "javascript" / "node_modules"
    if node is None or not packages.is_dir():
        said = "there is no node" if node is None else "its packages are missing: make test"
        pytest.fail(said) if os.environ.get("CI") else pytest.skip(said)
    return [str(node), str(CLIENTS / "javascript" / "client.mjs")]


@dataclass
class Integrator:
    """One that speaks for one account, with a client of the docs and a state of its own."""

    program: list[str]
    url: str
    folder: Path
    processes: list[subprocess.Popen[str]] = field(default_factory=list)

    def start(self, doing: str, *files: Path) -> subprocess.Popen[str]:
        environment = {**os.environ, "STATE": str(self.folder / f"{doing}.json")}
        words = [*self.program, doing, self.url, "demo", *map(str, files)]
        made = subprocess.Popen(words, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        self.processes.append(made)
        return made

    def book(self, doing: str) -> tuple[dict[str, Any], dict[str, Any], dict[str, Any]]:
        try:
            messages, documents, seen = json.loads((self.folder / f"{doing}.json").read_bytes())
        except FileNotFoundError:
            return {}, {}, {}
        return messages, documents, seen


def recipe(page: str, virtual_host: str, user: str) -> list[list[str]]:
    """The orders of the recipe, as they stand on a page, for this user and virtual host."""
    text = (DOCS / page).read_text(encoding="utf-8")
    lines = re.findall(r"^rabbitmqctl (.*)$", text, re.MULTILINE)
    filled = (
        line.replace("-p /", f"-p {virtual_host}").replace("erp-demo", user).replace("PASSWORD", PASSWORD) for line in lines
    )
    return [[word.strip("'") for word in re.findall(r"'[^']*'|\S+", line)] for line in filled]


@pytest.fixture(scope="module")
def user() -> str:
    return f"erp-{os.getpid()}"


@pytest.fixture(scope="module")
def queues(tmp_path_factory: pytest.TempPathFactory, user: str) -> Iterator[QueueSite]:
    with brokers.virtual_host() as name:
        made = open_queue_site(tmp_path_factory.mktemp("integrators"), name)
        made.site.simulate("--fast")
        made.run()
        for words in recipe("integrators.md", name, user):
            brokers.control(*words)
        yield made
        for process in list(made.site.processes):
            made.site.stop(process, kill=True)
        brokers.control("delete_user", user)


@pytest.fixture(params=["python", "javascript"])
def integrator(request: pytest.FixtureRequest, queues: QueueSite, user: str, tmp_path: Path) -> Iterator[Integrator]:
    program = in_javascript() if request.param == "javascript" else [sys.executable, str(CLIENTS / "python" / "client.py")]
    made = Integrator(program, queues.url.replace("guest:guest", f"{user}:{PASSWORD}"), tmp_path)
    yield made
    for each in made.processes:
        each.kill()


def files_of(folder: Path, count: int) -> dict[str, Path]:
    """Applications to submit, by their references."""
    found = {}
    for _ in range(count):
        reference = b.fresh("int")
        found[reference] = folder / f"{reference}.xml"
        found[reference].write_bytes(b.xml(b.application("declare", reference=reference)))
    return found


def test_a_client_sends_each_kind_of_file_and_ends_while_an_earlier_one_has_no_end(
    queues: QueueSite, integrator: Integrator, tmp_path: Path
) -> None:
    (tmp_path / "send.json").write_text(json.dumps([{"earlier": {"file": "earlier.xml", "sent": True, "answers": []}}, {}, {}]))
    packed, written = tmp_path / f"{b.fresh('zip')}.ZIP", tmp_path / f"{b.fresh('json')}.JSON"
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("message.xml", b.xml(b.application("save", reference=b.fresh("zip"))))
    written.write_text(json.dumps({"type": b.APPLICATION, "operation": "save", "reference": b.fresh("json")}))
    sending = integrator.start("send", packed, written)
    said, wrong = sending.communicate(timeout=300)

    assert sending.returncode == 0, wrong
    assert [line.split()[0] for line in said.splitlines()] == [packed.name, written.name]


def test_a_mended_file_goes_out_under_its_name_and_the_same_one_only_once(integrator: Integrator, tmp_path: Path) -> None:
    file, reference, said = tmp_path / f"{b.fresh('mended')}.xml", b.fresh("mended"), []
    for changes in ({"Year": "26"}, {"Year": "26"}, {}):
        file.write_bytes(b.xml(b.application("save", reference=reference, **changes)))
        sending = integrator.start("send", file)
        said.append(sending.communicate(timeout=300)[0].split()[:2])

    assert said == [[file.name, "refused"], [file.name, "refused"], [file.name, "accepted"]]
    messages = [one for one in integrator.book("send")[0].values() if one.get("file") == file.name]
    assert [one["sent"] for one in messages] == [True, True]


@pytest.mark.requirement("ME-11")
@pytest.mark.requirement("GW-07")
def test_a_client_submits_takes_its_replies_and_keeps_in_step_over_restarts_of_either_side(
    queues: QueueSite, integrator: Integrator, tmp_path: Path
) -> None:
    files = files_of(tmp_path, 6)
    bad = tmp_path / f"{b.fresh('bad')}.xml"
    bad.write_bytes(b.xml(b.message(b.APPLICATION, "declare")))
    listening = integrator.start("listen")
    wait_until(lambda: queues.is_there("tongguan.reply.demo.events"), "who listens")
    sending = integrator.start("send", *files.values(), bad)
    wait_until(lambda: any(m["sent"] for m in integrator.book("send")[0].values()), "the first submission")
    sending.kill()
    sending.communicate()
    queues.site.stop(kill=True)
    sending = integrator.start("send", *files.values(), bad)
    time.sleep(1)
    listening.kill()
    listening.communicate()
    queues.run()
    listening = integrator.start("listen")
    said, wrong = sending.communicate(timeout=300)

    states = dict(line.split()[:2] for line in said.splitlines())
    assert states == {**{path.name: "accepted" for path in files.values()}, bad.name: "refused"}, wrong
    messages = {m["file"]: m for m in integrator.book("send")[0].values() if "file" in m}
    assert len(messages) == 7
    for reference, path in files.items():
        own = messages[path.name]["status"]
        assert own["reference"] == reference
        assert any(name.startswith("Receipt_") for name in messages[path.name]["answers"])
        assert {status["message_id"] for status in queues.about(reference)} == {own["message_id"]}
    assert [fault["code"] for fault in messages[bad.name]["status"]["faults"]]

    def in_step() -> bool:
        known = integrator.book("listen")[1]
        mine = {r: known.get(f"NA.application {r}", {}) for r in files}
        shown = {r: queues.site.document("NA.application", r) or {} for r in files}
        return all(
            mine[r].get("state") == "accepted"
            and mine[r].get("business_status") == shown[r]["business_status"]
            and mine[r].get("numbers") == shown[r]["numbers"]
            for r in files
        )

    wait_until(in_step, "the documents as the gateway has them")
    listening.kill()
    _, wrong = listening.communicate()
    assert "missed something" not in wrong


def test_the_recipe_gives_no_right_to_speak_for_another_nor_to_hear_of_it(queues: QueueSite, user: str) -> None:
    with client(queues.virtual_host) as owner:
        owner.queue("tongguan.submit.other")
        owner.channel.exchange_declare("tongguan.submit.other", "direct", durable=True, auto_delete=False)

    def refused(work: Any) -> bool:
        with client(queues.virtual_host, user=user, password=PASSWORD) as mine:
            try:
                work(mine)
            except amqp.AccessRefused:
                return True
        return False

    def publishes(exchange: str, routing_key: str) -> Any:
        def work(mine: QueueClient) -> None:
            mine.channel.confirm_select()
            mine.channel.basic_publish_confirm(amqp.Message("{}"), exchange, routing_key)

        return work

    def hears(binding: str) -> Any:
        def work(mine: QueueClient) -> None:
            mine.channel.queue_declare("tongguan.reply.demo.spy", durable=True, auto_delete=False)
            mine.channel.queue_bind("tongguan.reply.demo.spy", "tongguan.events", routing_key=binding)

        return work

    assert refused(publishes("", "tongguan.submit.other"))
    assert refused(publishes("tongguan.submit.other", "tongguan.submit.other"))
    assert refused(publishes("tongguan.events", "demo.NA.application.accepted"))
    assert refused(hears("#"))
    assert refused(hears("other.#"))
    assert refused(lambda mine: mine.channel.basic_get("tongguan.submit.demo"))
    assert refused(lambda mine: mine.channel.queue_declare("tongguan.reply.other"))
    assert not refused(hears("demo.#"))
    assert not refused(publishes("tongguan.submit.demo", "tongguan.submit.demo"))


def test_both_pages_give_the_same_rights(queues: QueueSite, user: str) -> None:
    assert recipe("integrators.md", "v", user) == recipe("integrators.zh.md", "v", user)
