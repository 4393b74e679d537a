"""A mailbox's folders: held by descriptor, known by an id, and never another's."""

from __future__ import annotations

import gc
import os
import pwd
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tongguan.gateway.model.errors import StationBroken
from tongguan.gateway.system.storage import files, folders
from tongguan.gateway.system.storage.folders import FOLDERS, MARKER, SPARES, Away, Folders

ID = "0190-mine"


class Killed(BaseException):
    """The end of the process."""


@pytest.fixture
def box(tmp_path: Path) -> Iterator[Folders]:
    made = Folders(tmp_path / "box", account="demo", identity=ID)
    assert made.here()
    yield made
    made.close()


def known(root: Path, **more: bool) -> Folders:
    """The mailbox as a later start opens it."""
    return Folders(root, account="demo", identity=ID, new=False, **more)  # type: ignore[arg-type]


def why(box: Folders) -> str:
    with pytest.raises(Away) as raised:
        box.check()
    assert raised.value.do and raised.value.zh and raised.value.text("en") == str(raised.value)
    return str(raised.value)


def everything(root: Path) -> list[tuple[str, list[str], list[str]]]:
    return [(folder, sorted(inner), sorted(names)) for folder, inner, names in sorted(os.walk(root))]


def test_a_mailbox_that_nobody_uses_any_more_holds_no_folder_open(tmp_path: Path) -> None:
    gc.collect()
    before = len(os.listdir("/proc/self/fd"))
    box = Folders(tmp_path / "box", identity=ID)
    box.check()
    assert len(os.listdir("/proc/self/fd")) > before

    del box
    gc.collect()

    assert len(os.listdir("/proc/self/fd")) == before


def test_a_new_mailbox_is_made_and_marked_once(tmp_path: Path) -> None:
    placed: list[str] = []
    box = Folders(tmp_path / "box", identity=ID, placed=lambda folder: placed.append("placed"))
    box.check()
    box.check()

    assert [(tmp_path / "box" / name).is_dir() for name in FOLDERS] == [True] * len(FOLDERS)
    assert ((tmp_path / "box" / MARKER).read_text(), placed) == (f"{ID}\n", ["placed"])
    assert known(tmp_path / "box").here()


@pytest.mark.parametrize("place", ["rename", "placed"])
def test_a_crash_while_it_is_marked_leaves_a_mailbox_that_can_be_marked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, place: str
) -> None:
    def die(*_: object) -> None:
        raise Killed

    if place == "rename":
        monkeypatch.setattr(files, "crash_point", die)
    with pytest.raises(Killed):
        Folders(tmp_path / "box", identity=ID, placed=die).check()
    monkeypatch.undo()
    placed: list[int] = []
    Folders(tmp_path / "box", identity=ID, placed=lambda folder: placed.append(1)).check()

    assert placed == [1]


def test_a_journal_that_does_not_take_the_id_leaves_the_mailbox_unused_until_it_does(tmp_path: Path) -> None:
    def broken(_folder: int) -> None:
        raise StationBroken("disk full")

    box = Folders(tmp_path / "box", identity=ID, placed=broken)

    assert "disk full" in why(box)
    box._placed = lambda folder: None
    assert box.here()


def test_without_its_marker_or_with_anothers_nothing_is_made_or_held(tmp_path: Path) -> None:
    root = tmp_path / "box"
    root.mkdir()
    for marker in (None, "another\n", "", "x" * 10_000, f"{ID}x"):
        if marker is not None:
            (root / MARKER).write_text(marker)
        before = everything(root)
        box = known(root)
        assert "tongguan mailbox adopt demo" in str(why(box)) + box.wrong.do("en")  # type: ignore[union-attr]
        assert everything(root) == before


@pytest.mark.parametrize("planted", ["link", "fifo", "folder"])
def test_a_marker_that_is_no_plain_file_is_no_marker(box: Folders, tmp_path: Path, planted: str) -> None:
    marker = box.root / MARKER
    os.rename(marker, tmp_path / "marker")
    {"link": lambda: marker.symlink_to(tmp_path / "marker"), "fifo": lambda: os.mkfifo(marker), "folder": marker.mkdir}[planted]()

    assert MARKER in why(box)
    assert MARKER in why(known(box.root))


@pytest.mark.parametrize("name", [*FOLDERS, SPARES])
@pytest.mark.parametrize("instead", ["link", "link out", "broken link", "file", "fifo", "moved", "mode", "removed"])
def test_a_folder_that_is_not_what_was_opened_is_named_and_used_again_when_it_is_right(
    box: Folders, tmp_path: Path, name: str, instead: str
) -> None:
    path, aside = box.root / name, tmp_path / "aside"
    if instead == "mode":
        os.chmod(path, 0o500)
    else:
        os.rename(path, aside)
    if instead == "link":
        path.symlink_to(aside)
    elif instead == "link out":
        path.symlink_to(tmp_path)
    elif instead == "broken link":
        path.symlink_to(tmp_path / "none")
    elif instead == "file":
        path.write_bytes(b"")
    elif instead == "fifo":
        os.mkfifo(path)
    if instead in ("moved", "removed") and name in ("Status/by-id", "Status/documents", SPARES):
        assert str(path) in why(box)
        box.check()
        assert path.is_dir()
        return
    for each in (box, known(box.root)):
        assert str(path) in why(each)
    assert [str(t) for t in folders.troubles(box.root, "demo", ID, new=False) if str(path) in str(t)] != []
    if instead == "mode":
        os.chmod(path, 0o770)
    else:
        if os.path.lexists(path):
            path.unlink()
        os.rename(aside, path)
    before = box.generation

    box.check()
    assert box.generation == before
    assert os.fstat(box[name]).st_ino == os.stat(path).st_ino


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.tuples(st.sampled_from(FOLDERS), st.sampled_from(["link", "away", "another", "back", "file"])), max_size=8))
def test_whatever_is_exchanged_in_whatever_order_nothing_is_ever_written_outside_or_by_an_old_number(
    tmp_path_factory: pytest.TempPathFactory, steps: list[tuple[str, str]]
) -> None:
    top = tmp_path_factory.mktemp("any")
    outside = top / "another" / "OutBox"
    outside.mkdir(parents=True)
    box = Folders(top / "box", account="demo", identity=ID)
    box.check()
    numbers = {name: box[name] for name in FOLDERS}
    for n, (name, step) in enumerate(steps):
        path, aside = box.root / name, top / f"aside-{name.replace('/', '-')}"
        if not path.parent.is_dir() or path.parent.is_symlink():
            continue
        if step == "back" and aside.exists():
            if os.path.lexists(path):
                os.rename(path, top / f"gone-{n}")
            os.rename(aside, path)
        elif step != "back" and path.is_dir() and not path.is_symlink() and not aside.exists():
            os.rename(path, aside)
            if step == "link":
                path.symlink_to(outside)
            elif step == "another":
                shutil.copytree(aside, path, symlinks=True)
            elif step == "file":
                path.write_bytes(b"")
        if box.here():
            for each in FOLDERS:
                real = os.stat(box.root / each, follow_symlinks=False)
                assert (real.st_dev, real.st_ino) == (os.fstat(box[each]).st_dev, os.fstat(box[each]).st_ino)
                files.write(f"{n}.xml", b"", dir_fd=box[each])
        assert {name: box[name] for name in FOLDERS} == numbers
        assert list(outside.iterdir()) == []
    box.close()


def test_the_mailbox_that_went_away_and_came_back_is_the_same(box: Folders, tmp_path: Path) -> None:
    os.rename(box.root, tmp_path / "gone")
    assert str(box.root) in why(box)
    box.root.mkdir()
    for name in FOLDERS:
        (box.root / name).mkdir()
    assert MARKER in why(box)
    assert sorted(p.name for p in (box.root / "InBox").iterdir()) == []
    shutil.rmtree(box.root)
    os.rename(tmp_path / "gone", box.root)
    box.check()

    assert box.generation == 1


def test_a_restored_copy_is_held_in_place_of_the_lost_one_by_the_same_numbers(box: Folders, tmp_path: Path) -> None:
    shutil.copytree(box.root, tmp_path / "copy")
    number = box["InBox"]
    shutil.rmtree(box.root)
    assert "is missing" in why(box)
    os.rename(tmp_path / "copy", box.root)
    box.check()
    files.write("a", b"1", dir_fd=number)

    assert (box["InBox"], box.generation) == (number, 2)
    assert (box.root / "InBox" / "a").read_bytes() == b"1"


def test_a_folder_on_another_file_system_is_refused(tmp_path: Path, box: Folders) -> None:
    wrong = folders.unfit(box.root, "work", box[""], os.fstat(box[""]).st_dev + 1)

    assert wrong is not None and "one file system" in wrong.do("en")


def test_a_folder_that_cannot_be_written_whatever_its_mode_is_told_as_that(
    box: Folders, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On a file system that was mounted anew, read-only, `chmod` helps nobody."""
    before = known(box.root)
    monkeypatch.setattr(os, "access", lambda *_, **__: False)
    said = why(before)

    assert "its file system is read-only" in said and "mode 770" not in said
    assert before.wrong is not None and before.wrong.do("en").startswith("findmnt -T ")


@pytest.mark.parametrize("name", FOLDERS)
def test_another_accounts_folder_that_is_mounted_in_the_place_of_one_is_refused(tmp_path: Path, box: Folders, name: str) -> None:
    """It is a folder, and on the same file system."""
    theirs = tmp_path / "theirs"
    theirs.mkdir()
    if subprocess.run(["mount", "--bind", theirs, box.root / name], check=False, capture_output=True).returncode != 0:
        pytest.skip("nothing can be mounted here")
    try:
        assert not box.here()
        assert f"{box.root / name} is a mount point" in why(box)
        assert f"{box.root / name} is a mount point" in why(known(box.root))
        assert f"{box.root / name} is a mount point" in [
            str(wrong) for wrong in folders.troubles(box.root, "demo", ID, new=False)
        ]
        assert list(theirs.iterdir()) == []
    finally:
        subprocess.run(["umount", box.root / name], check=True)

    assert box.here()


def test_a_folder_is_adopted_with_all_that_it_lacks_but_not_through_a_link(tmp_path: Path) -> None:
    for name in ("empty", "linked"):
        (tmp_path / name).mkdir()
    folders.adopt(tmp_path / "empty", ID)
    (tmp_path / "linked" / "InBox").symlink_to(tmp_path)
    with pytest.raises(Away, match="InBox is a link"):
        folders.adopt(tmp_path / "linked", ID)

    assert known(tmp_path / "empty").here()
    assert list(folders.troubles(tmp_path / "empty", "demo", ID, new=False)) == []
    assert not (tmp_path / "linked" / MARKER).exists()


def test_of_a_mailbox_that_was_never_used_only_what_is_wrong_is_told(tmp_path: Path) -> None:
    assert list(folders.troubles(tmp_path / "none", "demo", None, new=True)) == []
    (tmp_path / "InBox").symlink_to(tmp_path)

    assert [str(t) for t in folders.troubles(tmp_path, "demo", None, new=True)] == [
        f"{tmp_path / 'InBox'} is a link to {tmp_path}"
    ]


@pytest.fixture
def somebody(tmp_path: Path) -> Iterator[str]:
    """Whoever runs this is no root, and may pass through all that root has made above; his name."""
    if os.geteuid() != 0:
        pytest.skip("only root may speak for another user")
    for folder in (tmp_path, *tmp_path.parents[:3]):
        if folder.name != "tmp":
            folder.chmod(folder.stat().st_mode | 0o055)
    os.setresuid(65534, 65534, 0)
    yield pwd.getpwuid(65534).pw_name
    os.setresuid(0, 0, 0)


def test_what_is_another_user_s_is_told_with_the_command_that_gives_it_to_us(tmp_path: Path, somebody: str) -> None:
    os.setresuid(0, 0, 0)
    (tmp_path / "our share").mkdir()
    os.chown(tmp_path / "our share", 65534, -1)
    root = tmp_path / "our share" / "box"
    os.setresuid(65534, 65534, 0)
    Folders(root, account="demo", identity=ID).check()
    os.setresuid(0, 0, 0)
    for name, said, do in (
        ("InBox", "owner root: we cannot work in it", f"chown {somebody} '{root}/InBox' && chmod 770 '{root}/InBox'"),
        (MARKER, "cannot be read", f"belongs to root, and this is {somebody}; chown {somebody} '{root}/{MARKER}'"),
        ("", "Permission denied", f"'{root}' belongs to root"),
    ):
        os.chown(root / name, 0, 0)
        (root / name).chmod(0o700)
        os.setresuid(65534, 65534, 0)
        with pytest.raises(Away, match=said) as raised:
            known(root).check()
        os.setresuid(0, 0, 0)
        os.chown(root / name, 65534, -1)

        assert do.replace(f"'{root}' ", f"{root} ") in raised.value.do("en")
