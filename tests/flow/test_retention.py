"""`[retention]`: what is kept for a while only goes, and nothing else."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import bodies as b
import pytest
from journals import body, comes, document, submission, written
from sqlalchemy import create_engine, text
from workshop import Workshop, open_workshop

from tongguan.gateway.model.message import Message, State
from tongguan.gateway.system import clock

pytestmark = pytest.mark.requirement("GW-09")
TYPE = "NA.application"
DAY = 86_400_000


@pytest.fixture
def shop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Workshop]:
    """A gateway with the installed types."""
    shop = open_workshop(tmp_path, monkeypatch)
    yield shop
    shop.end()


def save(shop: Workshop, reference: str) -> dict[str, Any]:
    """A draft, which ends at the desk."""
    return placed(shop, b.application("save", reference=reference), "accepted", "SentBox")


def refuse(shop: Workshop, reference: str) -> dict[str, Any]:
    return placed(shop, b.application("save", reference=reference, Nothing="x"), "refused", "FailBox")


def placed(shop: Workshop, root: Any, state: str, box: str, **given: Any) -> dict[str, Any]:
    """The status of a message that came to this state, once its file lies where such files lie."""
    name = shop.site.drop_zip(b.xml(root), **given) if given else shop.site.drop(b.xml(root))
    status = shop.play(name, "accepted", "refused", "sent", "held", "checked", "rejected")
    assert status["state"] == state, status["faults"]
    shop.turns(lambda: any(name.rpartition(".")[0] in each for each in files(shop, box)))
    return status


def clear(shop: Workshop, **kept: str) -> None:
    """A day's clearing, by these settings, once the moment of what was written before is over."""
    shop.stop()
    settings = shop.home / "tongguan.toml"
    before, _, _ = settings.read_text("utf-8").partition("\n[retention]")
    spans = {"bodies": "1000d", "boxes": "1000d", "prints": "1000d", "alerts": "1000d", **kept}
    settings.write_text(f"{before}\n[retention]\n" + "".join(f'{name} = "{span}"\n' for name, span in spans.items()), "utf-8")
    time.sleep(0.01)
    shop.daemon.retention.turn()


def files(shop: Workshop, folder: str) -> list[str]:
    return sorted(each.name for each in (shop.site.mailbox / folder).iterdir() if not each.name.startswith("."))


def bodies(shop: Workshop, message: str) -> list[str]:
    engine = create_engine(f"sqlite:///{shop.home}/tongguan.db")
    with engine.connect() as connection:
        found = connection.execute(text("SELECT role FROM body WHERE message_id = :id ORDER BY role"), {"id": message})
        roles = [row[0] for row in found]
    engine.dispose()
    return roles


def test_boxes_are_emptied_of_what_has_lain_there_long_enough(shop: Workshop) -> None:
    save(shop, "one")
    refuse(shop, "two")
    clear(shop, boxes="90d")
    assert [bool(files(shop, name)) for name in ("SentBox", "FailBox", "InBox", "Status/by-id")] == [True] * 4

    clear(shop, boxes="1ms")

    assert [files(shop, name) for name in ("SentBox", "FailBox", "InBox", "Status/by-id")] == [[]] * 4
    assert [name for name in files(shop, "Status") if name.endswith(".status.json")] == []
    assert {"index.json", "by-id", "documents"} <= set(files(shop, "Status"))
    assert files(shop, "Status/documents") == [f"{TYPE}_one.json"]
    assert shop.site.command("audit", "verify").returncode == 0


def moved(monkeypatch: pytest.MonkeyPatch, days: int) -> None:
    """The machine's clock, but not that of the disk, which here is a share's."""
    real = clock.now_ms
    monkeypatch.setattr(clock, "now_ms", lambda: real() + days * DAY)


def test_a_share_whose_clock_is_years_behind_loses_no_file_early_and_none_too_late(
    shop: Workshop, monkeypatch: pytest.MonkeyPatch
) -> None:
    moved(monkeypatch, 400)
    save(shop, "one")
    refuse(shop, "two")
    clear(shop, boxes="90d")
    kept = [bool(files(shop, name)) for name in ("SentBox", "FailBox", "InBox", "Status/by-id")]
    clear(shop, boxes="1ms")

    assert kept == [True] * 4
    assert [files(shop, name) for name in ("SentBox", "FailBox", "InBox", "Status/by-id")] == [[]] * 4


def test_what_is_dropped_again_on_a_share_whose_clock_is_behind_is_told_again(
    shop: Workshop, monkeypatch: pytest.MonkeyPatch
) -> None:
    moved(monkeypatch, 1)
    content = b.xml(b.application("save", reference="one"))
    shop.play(shop.site.drop(content, name="one.xml"))
    shop.stop()
    shop.site.drop(content, name="one.xml")

    shop.turns(lambda: [m.state for m in messages(shop)] == ["repeated", "accepted"])


@pytest.mark.parametrize("restarted", [False, True], ids=["running", "restarted"])
def test_a_clock_that_was_set_by_days_clears_nothing_that_lay_there(
    shop: Workshop, monkeypatch: pytest.MonkeyPatch, restarted: bool
) -> None:
    ended = shop.play(shop.site.drop(b.xml(b.application("save", reference="one"))))["message_id"]
    if restarted:
        shop.stop()
    moved(monkeypatch, 400)
    if not restarted:
        shop.daemon.retention.turn()
    late = shop.play(shop.site.drop(b.xml(b.application("save", reference="two"))))["message_id"]
    clear(shop, bodies="30d", boxes="30d", alerts="30d")
    moved(monkeypatch, -400)
    clear(shop, bodies="30d", boxes="30d", alerts="30d")

    assert bodies(shop, ended) == bodies(shop, late) == ["source"]
    clear(shop, bodies="1ms")
    assert bodies(shop, ended) == []
    assert bodies(shop, late) == ["source"], "of a day to come"


def test_a_file_that_was_written_long_before_it_was_dropped_is_as_old_as_its_drop(shop: Workshop) -> None:
    status = save(shop, "one")
    (sent,) = (shop.site.mailbox / "SentBox").iterdir()
    os.utime(sent, (0, 0))

    clear(shop, boxes="90d")

    assert files(shop, "SentBox") == [sent.name]
    assert shop.site.status(status["file"]) is not None


def test_what_goes_on_keeps_its_status_and_what_is_no_plain_file_stays(shop: Workshop, tmp_path: Path) -> None:
    save(shop, "one")
    held = refuse(shop, "two")["message_id"]
    (shop.site.mailbox / "InBox" / "kept").mkdir()
    (tmp_path / "aside").write_text("x")
    (shop.site.mailbox / "SentBox" / "link").symlink_to(tmp_path / "aside")
    (shop.site.mailbox / "Status" / "note.status.json").write_text("{}")
    (shop.site.mailbox / "Status" / "own.txt").write_text("x")
    order(shop, held)

    clear(shop, boxes="1ms")

    assert files(shop, "InBox") == ["kept"]
    assert files(shop, "SentBox") == ["link"]
    assert (tmp_path / "aside").exists()
    assert {"note.status.json", "own.txt"} <= set(files(shop, "Status"))
    assert files(shop, "Status/by-id") == [f"{held}.json"]


def order(shop: Workshop, message: str) -> None:
    """Make a message one that waits for a person."""
    engine = create_engine(f"sqlite:///{shop.home}/tongguan.db")
    with engine.begin() as connection:
        connection.execute(text("UPDATE message SET state = 'held' WHERE id = :id"), {"id": message})
    engine.dispose()


def test_bodies_of_what_ended_long_ago_go_and_the_history_verifies_and_the_same_again_is_still_known(shop: Workshop) -> None:
    content = b.xml(b.application("save", reference="one"))
    first = shop.play(shop.site.drop(content, name="one.xml"))
    refused = refuse(shop, "two")
    clear(shop, bodies="30d")
    assert bodies(shop, first["message_id"]) == ["source"]

    clear(shop, bodies="1ms")

    assert bodies(shop, first["message_id"]) == bodies(shop, refused["message_id"]) == []
    assert shop.site.command("audit", "verify").returncode == 0
    assert "bodies of" in shop.site.command("audit", "list").stdout
    shop.site.drop(content, name="one.xml")
    again = shop.turns(lambda: [m for m in messages(shop) if m.same_as == first["message_id"]])
    assert [m.state for m in again] == ["repeated"]
    assert shop.site.command("show", first["message_id"]).returncode == 0


def test_a_living_document_keeps_its_files_and_what_is_on_its_way_keeps_all(shop: Workshop) -> None:
    ended = {"state": State.ACCEPTED, "lane": None, "due_at": None, "waits": False}
    made = {id_: document(id_, type=TYPE, deleted=id_ == "gone") for id_ in ("living", "gone", "busy")}
    for id_, its in made.items():
        both = (body(f"m-{id_}", b"<x/>"), body(f"m-{id_}", b"%PDF", "attachment:1"))
        written(shop.daemon.journal, comes(submission(f"m-{id_}", document_id=id_, **ended), documents=(its,), bodies=both))
    held = {**ended, "state": State.HELD}
    written(shop.daemon.journal, comes(submission("m-held", document_id="busy", **held), bodies=(body("m-held", b"<y/>"),)))

    clear(shop, bodies="1ms")

    found = {message: bodies(shop, message) for message in ("m-living", "m-gone", "m-busy", "m-held")}
    assert found == {"m-living": ["attachment:1"], "m-gone": [], "m-busy": ["attachment:1", "source"], "m-held": ["source"]}


def messages(shop: Workshop) -> list[Message]:
    with shop.daemon.journal.search() as records:
        return list(records.list_messages([], limit=100))


def test_printed_forms_go_and_other_answers_stay(shop: Workshop) -> None:
    save(shop, "one")
    printed = shop.play(shop.site.drop(f'<{TYPE} xmlns="urn:tongguan:{TYPE}:1" operation="print" reference="p" document="one"/>'))
    shop.turns(lambda: shop.site.inbox(f"Result_{printed['file'].rsplit('.', 1)[0]}_"))
    names = kinds(shop)
    clear(shop, prints="30d")
    assert kinds(shop) == names and "result" in names

    clear(shop, prints="1ms")

    assert kinds(shop) == [kind for kind in names if kind != "result"]
    assert shop.site.command("audit", "verify").returncode == 0


def kinds(shop: Workshop) -> list[str]:
    engine = create_engine(f"sqlite:///{shop.home}/tongguan.db")
    with engine.connect() as connection:
        found = [row[0] for row in connection.execute(text("SELECT kind FROM answer ORDER BY kind"))]
    engine.dispose()
    return found


def test_a_mailbox_that_is_away_keeps_the_others_from_nothing(shop: Workshop) -> None:
    status = save(shop, "one")
    aside = shop.site.mailbox.rename(shop.home / "away")

    clear(shop, bodies="1ms", boxes="1ms")

    assert bodies(shop, status["message_id"]) == []
    assert list((aside / "SentBox").iterdir())


@pytest.mark.requirement("GW-08")
def test_alerts_that_are_over_go_after_their_time_and_what_stands_is_told_still(shop: Workshop) -> None:
    shop.daemon.alerts.tell("receipts", "gone", do="look", about="elsewhere")
    shop.daemon.alerts.over("receipts", "elsewhere")
    shop.daemon.alerts.tell("held", "one waits", do="look")
    told = shop.home / "alerts.jsonl"
    shop.turns(lambda: told.exists() and b"one waits" in told.read_bytes())
    clear(shop, alerts="30d")
    assert b"elsewhere" in told.read_bytes()
    clear(shop, alerts="1ms")

    assert b"elsewhere" not in told.read_bytes()
    assert b"one waits" in told.read_bytes()
