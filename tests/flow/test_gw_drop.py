"""Drop folders: half-written files are never read, the same file works once, and each ends in one place."""

from __future__ import annotations

import json
import os
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import bodies as b
import pytest
from endpoint import add_settings
from patience import here
from sites import FINAL, Site, make_site, wait_until

from tongguan.gateway.home.home import change_settings

SETTLE = round(here(0.6), 1)  # longer where this process may rest longer between two writes
pytestmark = pytest.mark.requirement("GW-01")


@pytest.fixture(scope="module")
def quick(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """A site that settles and ignores quickly and takes small files only."""
    site = make_site(tmp_path_factory.mktemp("drop"))
    change_settings(site.home, "gateway", "settle", f"{SETTLE}s")
    change_settings(site.home, "gateway", "ignored_after", "2s")
    change_settings(site.home, "gateway", "most_bytes", "300KB")
    add_settings(site.home, '\n[schedule]\nleast_wait = "100ms"\nprobe = "200ms"\n')
    site.simulate("--fast")
    site.run()
    yield site
    for name in list(site.processes):
        site.stop(name)


def outbox(site: Site, name: str) -> Path:
    return site.mailbox / "OutBox" / name


def named(word: str, suffix: str = ".xml") -> str:
    return f"{b.fresh(word)}{suffix}"


def statuses(site: Site, reference: str) -> list[dict[str, Any]]:
    """Status files of all messages with this reference."""
    found = [json.loads(p.read_bytes()) for p in (site.mailbox / "Status" / "by-id").iterdir() if p.suffix == ".json"]
    return [s for s in found if s["reference"] == reference]


def at_rest(site: Site, name: str, state: str = "accepted") -> dict[str, Any]:
    """The status of a file once it has ended in this state and its original lies in exactly one box."""
    status = site.wait(name)
    assert status["state"] == state, status["faults"]
    box = "FailBox" if state in ("refused", "stopped", "given_up") else "SentBox"
    wait_until(lambda: site.places(name) == [box], f"{name} in {box}: {site.places(name)}")
    return status


def test_a_file_ends_in_sent_box_with_its_status_and_its_bytes(quick: Site) -> None:
    content = b.xml(b.application("save"))
    name = quick.drop(content)
    at_rest(quick, name)

    (sent,) = [p for p in (quick.mailbox / "SentBox").iterdir() if p.name.startswith(name[:-4] + "_")]
    stamp = sent.name[len(name) - 3 : -4]
    assert sent.read_bytes() == content
    assert stamp.isdigit() and len(stamp) == 17
    assert not list((quick.mailbox / "work").glob("*.xml"))


def test_a_growing_file_is_not_read_before_it_is_whole(quick: Site) -> None:
    content = b.xml(b.application("save"))
    name = named("grows")
    with outbox(quick, name).open("wb") as file:
        for at in range(0, len(content), len(content) // 8 + 1):
            file.write(content[at : at + len(content) // 8 + 1])
            file.flush()
            time.sleep(SETTLE / 3)
            assert quick.status(name) is None
        time.sleep(SETTLE * 2)
        assert quick.status(name) is None, "read while a process still has it open for writing"

    at_rest(quick, name)


def test_a_file_copied_in_with_an_old_time_is_not_taken_half_way(quick: Site) -> None:
    """As `cp -p` and copies from a share do: the modification time is old from the start."""
    content = b.xml(b.application("save"))
    name = named("old")
    half = len(content) // 2
    for part in (content[:half], content[half:]):
        with outbox(quick, name).open("ab") as file:
            file.write(part)
        os.utime(outbox(quick, name), (1_000_000_000, 1_000_000_000))
        time.sleep(SETTLE / 2)
    assert quick.status(name) is None

    at_rest(quick, name)


def test_a_file_renamed_late_is_taken_when_it_is_renamed(quick: Site) -> None:
    name = named("late")
    part = outbox(quick, name + ".tmp")
    part.write_bytes(b.xml(b.application("save")))
    time.sleep(SETTLE * 3)
    assert quick.status(name) is None and part.exists()
    part.rename(outbox(quick, name))

    at_rest(quick, name)


def test_a_file_replaced_before_it_was_settled_counts_as_it_is_at_the_end(quick: Site) -> None:
    name = named("replaced")
    outbox(quick, name).write_bytes(b"<half")
    time.sleep(SETTLE / 3)
    last = b.application("save")
    quick.drop(b.xml(last), name=name)

    assert at_rest(quick, name)["reference"] == last.get("reference")


def test_a_file_replaced_again_and_again_loses_no_whole_version(quick: Site) -> None:
    """Each rename puts other bytes under the same name; those that were taken are each a message, the last one surely."""
    name = named("turns")
    roots = [b.application("save") for _ in range(12)]
    for root in roots:
        quick.drop(b.xml(root), name=name)
        time.sleep(0.02)
    last = roots[-1].get("reference")
    wait_until(lambda: (s := quick.status(name)) is not None and s["reference"] == last and s["final"], "the last version")
    taken = [r.get("reference") for r in roots if statuses(quick, str(r.get("reference")))]
    wait_until(lambda: len(quick.places(name)) == len(taken), f"{len(taken)} originals; {quick.places(name)}")


def test_the_same_file_dropped_twice_does_its_work_once(quick: Site) -> None:
    root = b.application("declare")
    content, reference = b.xml(root), str(root.get("reference"))
    name = quick.drop(content)
    first = at_rest(quick, name)
    answers = quick.inbox(f"Successed_{name[:-4]}_")
    quick.drop(content, name=name)
    wait_until(lambda: not outbox(quick, name).exists() and len(statuses(quick, reference)) == 2, "the second one to be taken")

    one, two = statuses(quick, reference)
    assert {one["state"], two["state"]} == {"accepted", "repeated"} or one["state"] == two["state"] == "accepted"
    assert one["numbers"] == two["numbers"] == first["numbers"]
    wait_until(lambda: len(quick.places(name)) == 1, f"one original; {quick.places(name)}")
    document = wait_until(lambda: quick.document(b.APPLICATION, first["document"]), "its document")
    assert document["round"] == 1
    assert quick.inbox(f"Successed_{name[:-4]}_")[: len(answers)] == answers


def test_dropped_twice_at_once_it_works_once(quick: Site) -> None:
    """Two names, the same content: the reference names one message of the account."""
    root = b.application("save")
    content, reference = b.xml(root), str(root.get("reference"))
    names = [quick.drop(content) for _ in range(4)]
    found = [quick.wait(name, *FINAL, "repeated") for name in names]

    assert len({tuple(s["numbers"].items()) for s in found}) == 1
    wait_until(lambda: len(statuses(quick, reference)) == 4, "a status file for each")
    for name in names:
        wait_until(lambda name=name: len(quick.places(name)) == 1, f"one place for {name}: {quick.places(name)}")


def test_a_refused_file_dropped_again_as_it_was_is_a_new_try(quick: Site) -> None:
    content = b.xml(b.application("save", Year="26"))
    name = quick.drop(content)
    first = at_rest(quick, name, "refused")
    quick.drop(content, name=name)
    wait_until(lambda: (s := quick.status(name)) and s["message_id"] != first["message_id"] and s["final"], "the second try")

    second = quick.status(name)
    assert second is not None and second["state"] == "refused"
    assert second["replaces"] == first["message_id"]


def test_dropped_again_mended_it_is_done(quick: Site) -> None:
    reference = b.fresh("mend")
    name = quick.drop(b.xml(b.application("save", reference=reference, Year="26")))
    first = at_rest(quick, name, "refused")
    quick.drop(b.xml(b.application("save", reference=reference)), name=name)
    wait_until(lambda: (s := quick.status(name)) and s["state"] == "accepted", "the mended one")

    status = quick.status(name)
    assert status is not None and status["replaces"] == first["message_id"]
    wait_until(lambda: sorted(quick.places(name)) == ["FailBox", "SentBox"], "both originals")


def test_other_content_under_a_used_reference_is_refused_naming_the_first(quick: Site) -> None:
    reference = b.fresh("used")
    first = at_rest(quick, quick.drop(b.xml(b.application("save", reference=reference))))
    second = at_rest(quick, quick.drop(b.xml(b.application("save", reference=reference, Remark="另一份"))), "refused")

    assert first["message_id"] in b.faults(second)["GW-F01 @reference"]


UNREADABLE: dict[str, tuple[bytes, str]] = {
    "empty": (b"", "GW-D03"),
    "huge": (b"<a>" + b"x" * 400_000 + b"</a>", "GW-D02"),
    "binary": (bytes(range(256)) * 4, "GW-X01"),
    "cut": (b'<?xml version="1.0"?><NA.application', "GW-X01"),
    "wide": (b"<a" + b"".join(b' a%d=""' % n for n in range(25_000)) + b"/>", "GW-X08"),
    "declared": (b"<a" + b"".join(b' xmlns:n%d="urn:x"' % n for n in range(9_000)) + b">" + b"<b/>" * 9_000 + b"</a>", "GW-X09"),
    "relative": (b.xml(b.application("save")).replace(b"<Goods>", b'<Goods xmlns:x="sub">', 1), "GW-X11"),
}


@pytest.mark.parametrize("kind", sorted(UNREADABLE))
def test_what_cannot_be_read_goes_to_fail_box_with_status_and_answer(quick: Site, kind: str) -> None:
    content, code = UNREADABLE[kind]
    name = quick.drop(content, name=named(kind))
    status = at_rest(quick, name, "refused")

    assert [f["code"] for f in status["faults"]] == [code], status["faults"]
    (answer,) = quick.inbox(f"Failed_{name[:-4]}_")
    assert code.encode() in answer.read_bytes()


def test_an_empty_or_huge_file_written_in_place_ends_too(quick: Site) -> None:
    for kind in ("empty", "huge"):
        name = named(kind)
        outbox(quick, name).write_bytes(UNREADABLE[kind][0])
        at_rest(quick, name, "refused")


@pytest.mark.parametrize(
    "name",
    [
        "订单 一号.xml".encode(),
        "订单".encode("gb18030") + b"-1.xml",
        b"\xff\xfe\x01\x7f odd.xml",
        b"-rf $(touch x) ;'\"&.xml",
        b"..xml.xml",
        b"x" * 251 + b".xml",
        "长".encode() * 83 + b".xml",
        b"UPPER.XML",
        b"new\nline.xml",
    ],
    ids=["chinese", "gb18030", "bytes", "shell", "dots", "255", "255-chinese", "upper", "newline"],
)
def test_any_name_is_carried_through_its_boxes(quick: Site, name: bytes) -> None:
    content = b.xml(b.application("save"))
    folder = os.fsencode(quick.mailbox / "OutBox")
    with open(folder + b"/part.tmp", "wb") as file:
        file.write(content)
    os.rename(folder + b"/part.tmp", folder + b"/" + name)

    def sent() -> bool:
        return any(p.read_bytes() == content for p in (quick.mailbox / "SentBox").iterdir())

    wait_until(sent, f"{name!r} in SentBox")
    assert not os.path.lexists(folder + b"/" + name)
    reference = b.etree.fromstring(content).get("reference")
    (status,) = wait_until(lambda: statuses(quick, str(reference)), "its status")
    assert status["state"] == "accepted"
    own = [p for p in (quick.mailbox / "Status").iterdir() if p.name.endswith(".status.json")]
    assert any(json.loads(p.read_bytes())["message_id"] == status["message_id"] for p in own), "a status file under its name"


def test_a_name_that_no_xml_can_hold_reaches_the_authority_and_comes_back(quick: Site) -> None:
    """It stands in what is sealed and in the answer; both can be read, and the file is delivered under its own name."""
    name = os.fsdecode(named("odd").encode()[:-4] + "\x01\ufffe\uffff\x1b.xml".encode())
    outbox(quick, name).write_bytes(b.xml(b.application("declare")))

    status = quick.wait(name, "sent", "accepted")

    assert status["file"] == name
    (answer,) = wait_until(lambda: list(quick.mailbox.glob(f"InBox/Successed_{name[:-4]}_*.xml")), "its answer")
    assert b.etree.parse(answer).getroot().get("message_id") == status["message_id"]


def test_what_is_no_message_is_left_alone_and_listed_as_ignored(quick: Site, tmp_path: Path) -> None:
    """A folder, a link, a pipe, a wrong extension, an unfinished name: nothing of it is opened, moved or followed."""
    box = quick.mailbox / "OutBox"
    secret = tmp_path / "secret.xml"
    secret.write_bytes(b.xml(b.application("save")))
    (box / "folder.xml").mkdir()
    (box / "link.xml").symlink_to(secret)
    os.mkfifo(box / "pipe.xml")
    (box / "notes.txt").write_text("hello")
    (box / "half.xml.tmp").write_text("<")
    (box / ".hidden").write_text("h")
    wanted = {"folder.xml", "link.xml", "pipe.xml", "notes.txt", "half.xml.tmp", ".hidden"}
    index = quick.mailbox / "Status" / "index.json"
    listed = wait_until(
        lambda: (found := json.loads(index.read_bytes())["ignored"]) and wanted <= {i["file"] for i in found} and found,
        "all of them under ignored",
        20,
    )
    assert all(i["why"] and i["since"] for i in listed)
    assert wanted <= {p.name for p in box.iterdir()}, "they lie where they were"
    assert not any(quick.status(name) for name in wanted)
    at_rest(quick, quick.drop(b.xml(b.application("save"))))
    for name in wanted - {"folder.xml"}:
        (box / name).unlink()
    (box / "folder.xml").rmdir()
    gone = lambda: not wanted & {i["file"] for i in json.loads(index.read_bytes())["ignored"]}
    wait_until(gone, "the list to be short again")


def test_a_zip_of_a_message_with_its_attachments_and_a_json_are_taken(quick: Site) -> None:
    pdf = b.pdf()
    root = b.with_files(b.application("save", LicenceForm="electronic"), ("声明.pdf", "00000002"))
    name = quick.drop_zip(b.xml(root), {"声明.pdf": pdf})
    status = quick.wait(name)
    assert status["state"] in ("accepted", "refused")
    assert len(wait_until(lambda: quick.places(name), "the ZIP in a box")) == 1
    json_name = quick.drop(b.as_json(b.APPLICATION, "save", {"Year": "2026"}), suffix=".json")
    at_rest(quick, json_name)


def test_files_are_taken_in_order_of_name(quick: Site) -> None:
    """The same document three times, dropped in one moment: the last name wins."""
    key = b.fresh("order")
    part = [(f"{key}-{n}.xml", b.xml(b.application("save", document=key, Remark=f"第{n}"))) for n in (3, 1, 2)]
    for name, content in part:
        (quick.mailbox / "OutBox" / f"{name}.tmp").write_bytes(content)
    quick.command("pause", "account", "demo", "--why", "test", check=True)
    for name, _ in part:
        outbox(quick, name + ".tmp").rename(outbox(quick, name))
    time.sleep(0.3)
    assert all(outbox(quick, name).exists() for name, _ in part), "a paused account's files stay"
    quick.command("resume", "account", "demo", "--why", "test", check=True)
    for name, _ in part:
        at_rest(quick, name)

    wait_until(lambda: (d := quick.document(b.APPLICATION, key)) and d["body"]["Remark"] == "第3", "the last one's content")


def test_sixty_four_files_at_once_keep_their_own_content(quick: Site) -> None:
    wanted: dict[str, str] = {}
    lock = threading.Lock()

    def feed(n: int) -> None:
        for k in range(8):
            remark = f"内容{n}-{k}"
            name = quick.drop(b.xml(b.application("save", Remark=remark)))
            with lock:
                wanted[name] = remark

    threads = [threading.Thread(target=feed, args=(n,)) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(wanted) == 64
    for name, remark in wanted.items():
        status = at_rest(quick, name)
        document = wait_until(lambda key=status["document"]: quick.document(b.APPLICATION, key), "its document")
        assert document["body"]["Remark"] == remark
