"""Starting, stopping, starting again; settings; and what simulators must never do."""

import ast
import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import psutil
import pytest
from patience import ended, here, ran, wait_until

import tongguan.simulators
from tongguan.simulators.script.loading import load_scripts
from tongguan.simulators.script.profile_folders import authorities, installed_profiles
from tongguan.simulators.settings import WrongSettings, counted, load_settings
from tongguan.simulators.setup import make_simulators

NA = "NA.application"
SOURCES = sorted(Path(tongguan.simulators.__file__).parent.glob("*.py"))


def test_a_restart_goes_on_with_the_flows_and_keeps_the_cursors(own_home, fresh, application, codes):
    _, begin, stop = own_home
    running = begin()
    mofcom = running.client("mofcom")
    message, body = mofcom.package(NA, "declare", application(fresh.application()), reference=fresh.reference("!pace=600ms"))
    first = mofcom.post(message, body)
    before = mofcom.until("10")
    assert stop(running.process) == 0

    again = begin().client("mofcom")
    again.cursor = mofcom.cursor

    assert again.post(message, body).body == first.body
    assert codes(before + again.until("52")) == ["10", "20", "30", "40", "50", "52"]


def test_a_killed_simulator_has_lost_nothing(own_home, fresh, application, codes):
    _, begin, _ = own_home
    running = begin()
    mofcom = running.client("mofcom")
    mofcom.send(NA, "declare", application(fresh.application()), reference=fresh.reference("!pace=600ms"))
    children = subprocess.run(
        ["ps", "-o", "pid=", "--ppid", str(running.process.pid)], capture_output=True, text=True, check=True
    )

    for child in children.stdout.split():
        os.kill(int(child), signal.SIGKILL)
    assert ended(running.process, "the simulators") == 1

    assert codes(begin().client("mofcom").until("52")) == ["10", "20", "30", "40", "50", "52"]


def test_a_second_start_says_that_they_run_already_and_does_them_no_harm(own_home):
    home, begin, _ = own_home
    mofcom = begin().client("mofcom")
    ports = (home / "simulators" / "ports.json").read_bytes()

    second = ran([sys.executable, "-m", "tongguan.simulators.serve", "--home", str(home)])

    assert (second.returncode, "run already" in second.stderr) == (78, True)
    assert (home / "simulators" / "ports.json").read_bytes() == ports
    assert mofcom.poll(wait=0) == []


def test_a_port_that_another_has_is_named_with_the_place_where_it_stands(own_home):
    home, _, _ = own_home
    path = home / "simulators" / "simulators.toml"
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        path.write_text(path.read_text().replace("port = 0", f"port = {port}", 1))
        refused = ran([sys.executable, "-m", "tongguan.simulators.serve", "--home", str(home)])

    assert refused.returncode == 1
    assert f"{path}: [mofcom] 127.0.0.1:{port}: Address already in use" in refused.stderr


def test_a_full_disk_ends_them_in_plain_words_and_a_new_start_goes_on(own_home, fresh, application, codes, tools):
    home, begin, _ = own_home
    running = begin()
    mofcom = running.client("mofcom")
    mofcom.send(NA, "declare", application(fresh.application()), reference=fresh.reference("!pace=600ms"))
    mofcom.until("10")
    for child in psutil.Process(running.process.pid).children():
        child.rlimit(psutil.RLIMIT_FSIZE, (4096, 4096))

    assert ended(running.process, "the simulators") == 1
    said = (home / "simulate.log").read_text()
    assert "the books cannot be written" in said and "Traceback" not in said

    assert codes(begin().client("mofcom").until("52"))[-1] == "52"


def test_the_authorities_end_with_the_process_that_started_them(own_home, tools):
    _, begin, _ = own_home
    running = begin()
    bases = [running.client(name).base for name in ("mofcom", "customs")]

    running.process.kill()

    def gone(base):
        try:
            tools.call("GET", f"{base}/v1/health")
        except tools.LineBroken:
            return True
        return False

    for base in bases:
        wait_until(lambda base=base: gone(base), f"{base} to be gone")


def test_stopping_does_not_wait_for_long_polls(own_home):
    _, begin, stop = own_home
    running = begin()
    mofcom = running.client("mofcom")
    waiting = threading.Thread(target=lambda: mofcom.poll(wait=60), daemon=True)
    waiting.start()
    time.sleep(0.3)

    start = time.monotonic()
    code = stop(running.process)

    assert (code, time.monotonic() - start < here(3)) == (0, True)


@pytest.mark.parametrize("environment", ["production", "", "Test"])
def test_anything_but_test_is_refused_at_start(own_home, environment):
    home, _, _ = own_home
    path = home / "simulators" / "simulators.toml"
    path.write_text(path.read_text().replace('environment = "test"', f'environment = "{environment}"'))

    command = [sys.executable, "-m", "tongguan.simulators.serve", "--home", str(home)]
    refused = ran(command)

    assert (refused.returncode, "environment" in refused.stderr, refused.stdout) == (78, True, "")
    with pytest.raises(WrongSettings):
        load_settings(home)


def test_an_endpoint_with_a_token_wants_it(own_home, tools):
    home, begin, _ = own_home
    path = home / "simulators" / "simulators.toml"
    path.write_text(path.read_text().replace('token = ""  ', 'token = "secret"  '))
    base = begin().client("mofcom").base

    def asked(headers):
        return tools.call("GET", f"{base}/v1/receipts?account=x", None, headers).status

    assert asked({}) == 401
    assert asked({"Authorization": "Bearer wrong"}) == 401
    assert asked({"Authorization": "Bearer secret"}) == 200
    assert tools.call("GET", f"{base}/v1/health").status == 200


def test_existing_simulators_are_never_overwritten(own_home):
    home, _, _ = own_home
    key = (home / "simulators" / "mofcom.key").read_bytes()

    with pytest.raises(FileExistsError):
        make_simulators(home, [])

    assert (home / "simulators" / "mofcom.key").read_bytes() == key


def test_private_keys_are_for_the_owner_only(own_home):
    home, _, _ = own_home

    assert {(home / "simulators" / f"{name}.key").stat().st_mode & 0o077 for name in ("mofcom", "customs")} == {0}


def test_a_count_stands_for_numbers_going_up():
    assert [counted("DEMOBL0001", step) for step in (0, 2, 98)] == ["DEMOBL0001", "DEMOBL0003", "DEMOBL0099"]
    assert counted("090220261000000001", 98) == "090220261000000099"


def test_every_script_is_read():
    found = {path.parent.name for path in installed_profiles().glob("*/*/replies.toml")}
    found -= {path.parent.name for path in installed_profiles().glob("*/*/form.toml")}

    assert found
    assert found <= {name for authority in authorities(installed_profiles()) for name in load_scripts(authority)}


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("keys_at = []", "number_at"),
        ('number_at = []\nkeys_at = []\n[[flow]]\noperation = "declare"\nsteps = [{ code = "X" }]', "'X'"),
        ('number_at = []\nkeys_at = []\n[[code]]\ncode = "X"\ntext = ""\ngives = ["y"]', "'y'"),
        ('number_at = []\nkeys_at = []\n[[code]]\ncode = "X"\ntext = ""\ncolour = "red"', "colour"),
        ('number_at = []\nkeys_at = []\n[numbers]\nuntil = "{yyyy}-12-31"', "'until'"),
        ('number_at = []\nkeys_at = []\n[numbers]\nown = "{serial:06d"', "'own'"),
        ('number_at = []\nkeys_at = []\n[numbers]\nown = "{serial:06d}{yy}"', "'own'"),
        ('number_at = []\nkeys_at = []\n[numbers]\nown = "{office}{serial:06d}"', "'own'"),
        ('number_at = []\nkeys_at = []\n[[flow]]\noperation = "a"\nsteps = [{ code = "X", after = "soon" }]', "soon"),
    ],
)
def test_a_wrong_script_is_refused_naming_the_file(tmp_path, text, complaint):
    script = tmp_path / "mofcom" / "XX.other" / "replies.toml"
    script.parent.mkdir(parents=True)
    script.write_text(text)

    with pytest.raises(ValueError, match=complaint) as told:
        load_scripts("mofcom", tmp_path)

    assert str(script) in str(told.value)


def test_a_wrong_script_of_a_home_stops_the_start_before_any_authority_listens(own_home):
    home, _, _ = own_home
    script = home / "profiles" / "customs" / "XX.other" / "replies.toml"
    script.parent.mkdir(parents=True)
    script.write_text('number_at = []\nkeys_at = []\n[numbers]\nuntil = "{yyyy}-12-31"')

    refused = ran([sys.executable, "-m", "tongguan.simulators.serve", "--home", str(home)])

    assert (refused.returncode, refused.stdout) == (78, "")
    assert (str(script) in refused.stderr, "Traceback" in refused.stderr) == (True, False)


@pytest.mark.parametrize("source", SOURCES, ids=lambda path: path.name)
def test_simulators_share_no_code_with_the_gateway_and_name_no_document_type(source):
    text = source.read_text(encoding="utf-8")
    imported = set()
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.ImportFrom):
            imported.add(node.module or "")
        if isinstance(node, ast.Import):
            imported.update(alias.name for alias in node.names)

    assert {name for name in imported if name.startswith("tongguan") and not name.startswith("tongguan.simulators.")} == set()
    types = [path.parent.name for path in installed_profiles().glob("*/*/profile.toml")]
    assert [name for name in types if re.search(rf"\b{re.escape(name)}\b", text)] == []


def test_the_endpoint_for_measuring_answers_every_message_with_a_signed_receipt(own_home, tools):
    home, _, _ = own_home
    place = home / "simulators"
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    options = ["--port", str(port), "--key", str(place / "customs.key"), "--certificate", str(place / "customs.pem")]
    process = subprocess.Popen([sys.executable, "-m", "tongguan.simulators.bench_endpoint", *options])
    base = f"http://127.0.0.1:{port}/v1"

    def healthy():
        try:
            return tools.call("GET", f"{base}/health").status == 200
        except tools.LineBroken:
            return False

    try:
        wait_until(healthy, "the endpoint to listen")
        body = b"<Package><sender_id>2102960001</sender_id><message_type>XX.other</message_type></Package>"
        reply = tools.call("POST", f"{base}/messages", body, {"Message-Id": "m-1"})
        page = json.loads(tools.call("GET", f"{base}/receipts?account=2102960001&after=7&wait=0").body)
    finally:
        process.terminate()
        ended(process, "the endpoint")

    certificate = tools.certificate((place / "customs.pem").read_bytes())
    receipt = tools.verified(reply.body, certificate)
    said = {name: receipt.get(name) for name in ("account", "code", "kind", "message", "type", "text")}
    assert (reply.status, page) == (202, {"receipts": [], "next": "7"})
    assert said == {
        "account": "2102960001", "code": "0", "kind": "technical", "message": "m-1", "type": "XX.other", "text": "技术回执: 已接收"
    }  # fmt: skip
