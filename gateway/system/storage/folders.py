"""The folders of a mailbox: opened once, without following a link, and held by descriptor.

Whoever may write into a mailbox may also put a link, or another folder, in the place of one of its folders, and a share may go
away and leave an empty mount point. So everything here is done relative to descriptors, and before each turn of work `check`
looks whether the paths still lead to what is held. A mailbox is known by the id in its marker file; without it, it is another.

Promises: nothing is written or made in a mailbox that is not whole and known, or through a link; when it is put right, `check`
takes it up again; a descriptor keeps its number for life, so that no thread ever writes into another folder by an old one.
Threads may share it.
"""

from __future__ import annotations

import contextlib
import os
import stat
import threading
import weakref
from collections.abc import Callable, Iterator
from pathlib import Path
from shlex import quote

from tongguan.gateway.model.errors import StationBroken, in_both, in_language
from tongguan.gateway.system.storage import file_names, files, permissions
from tongguan.gateway.system.threads import ANSWER

FOLDERS = ("OutBox", "SentBox", "FailBox", "InBox", "Status", "Status/by-id", "Status/documents", "work")
#: where replaced files rest (`rewriting.py`)
SPARES = "work/.spare"
#: made again when they are gone: nothing but the gateway's own lies there, and an enterprise that empties `Status` may empty it so
_MADE_AGAIN = ("Status/by-id", "Status/documents", SPARES)
MARKER = ".mailbox"
_PARTS = tuple((name, os.path.dirname(name), os.path.basename(name)) for name in (*FOLDERS, SPARES))
_MODE = 0o770
_OPEN = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_MOST_MARKER = 200

FolderIdentity = tuple[int, int, int, int, int]
"""(st_dev, st_ino, st_mode, st_uid, st_gid): what a folder has as long as nobody exchanges it or gives it away."""


class Away(StationBroken):
    """A mailbox is not there, or not as it should be: nothing is done in it until it is; `do` is what to do, in one or both languages."""

    def __init__(self, zh: str, en: str, do: str) -> None:
        self._do = do
        super().__init__(zh, en)

    def do(self, language: str) -> str:
        return in_language(self._do, language) or ""


class Folders:
    """One mailbox. `identity`: the id that its marker must have; None: it is not asked for (nobody keeps one).

    `new`: the mailbox carries no marker yet, so it is written, once, and then `placed` is called with its open folder, to force it to disk and note it; folders that are missing
    until then are made.
    """

    def __init__(
        self,
        root: Path,
        *,
        account: str = "",
        identity: str | None = None,
        new: bool = True,
        placed: Callable[[int], None] = lambda folder: None,
        group: int | None = None,
    ) -> None:
        """`group`: that may work in it, but in what is the gateway's own; None: as its folders are."""
        self.root, self._group = root, group
        self.account = account
        self.generation = 0  #: grows whenever another folder than before is held
        self._identity, self._new, self._placed = identity, new, placed
        self._lock = threading.Lock()
        self._handles: dict[str, int] = {}
        self._places: dict[str, FolderIdentity] = {}
        self._marked: tuple[int, ...] = ()
        self.wrong: Away | None = Away("还没有打开", "not opened yet", "tongguan doctor")
        self.noticed: Away | None = None  #: what was wrong last, until somebody has told of it
        weakref.finalize(self, _close, self._handles).atexit = False

    def __getitem__(self, name: str) -> int:
        """The descriptor of a folder, once the mailbox has been held."""
        return self._handles[name]

    def check(self) -> None:
        """Raise Away unless every folder lies where it was opened and the marker is ours; what was put right is taken up."""
        if not self._lock.acquire(timeout=ANSWER):  # another thread looks, and gets no answer
            self.noticed = silent(self.root)
            raise self.noticed
        try:
            self.wrong = self._moved() if self.wrong is None else self._taken_up()
            if self.wrong is not None:
                self.noticed = self.wrong
                raise self.wrong
        finally:
            self._lock.release()

    def here(self) -> bool:
        """Whether the mailbox can be worked in now; `wrong` says why not."""
        try:
            self.check()
        except Away:
            return False
        return True

    def close(self) -> None:
        """Let go of the descriptors, as is done with the last of who uses this mailbox."""
        _close(self._handles)
        self.wrong = Away("已关闭", "closed", "tongguan run")

    def _moved(self) -> Away | None:
        """The first folder that is not what is held any more."""
        try:
            if _place(os.stat(self.root))[:2] != self._places[""][:2]:
                return _wrong(self.root, "被替换", "was replaced", "把信箱放回去", "put the mailbox back")
            for name, parent, base in _PARTS:
                found = _place(os.stat(base, dir_fd=self._handles[parent], follow_symlinks=False))
                if found != self._places[name]:
                    if (why := unfit(self.root, name, self._handles[parent], found[0])) is not None:
                        return why
                    if found[:2] != self._places[name][:2]:
                        return _wrong(self.root / name, "被替换", "was replaced", "把它放回去", "put it back")
                    self._places[name] = found
            return self._marker_wrong()
        except FileNotFoundError as gone:
            return _failed(self.root, FileNotFoundError(gone.errno, gone.strerror, self._full(gone.filename)))
        except OSError as wrong:
            return _failed(self.root, wrong)

    def _full(self, name: str | Path) -> Path:
        """Where a folder lies of which only the last part is known."""
        return next((self.root / whole for whole, _, base in _PARTS if base == name), self.root)

    def _taken_up(self) -> Away | None:
        """Open what is there; None when all of it is right. Only then it is held in place of what was held before."""
        opened: dict[str, int] = {}
        try:
            if (wrong := self._opened(opened)) is not None:
                return wrong
            places = {name: _place(os.fstat(handle)) for name, handle in opened.items()}
            for name, handle in opened.items():
                if name in self._handles:
                    os.dup2(handle, self._handles[name], inheritable=False)
                else:
                    self._handles[name] = os.dup(handle)
            if {name: place[:2] for name, place in places.items()} != {name: place[:2] for name, place in self._places.items()}:
                self.generation += 1
            self._places = places
            return None
        except OSError as wrong_now:
            return _failed(self.root, wrong_now)
        finally:
            for handle in opened.values():
                os.close(handle)

    def _opened(self, opened: dict[str, int]) -> Away | None:
        """Open every folder into `opened`, or say which cannot be used and why; the marker is looked at before anything is made."""
        if self._new:
            os.makedirs(self.root, _MODE, exist_ok=True)
        opened[""] = os.open(self.root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        if self._identity is not None and (wrong := self._not_ours(opened[""])) is not None:
            return wrong
        for name, above, base in _PARTS:
            parent = opened[above]
            if self._new or name in _MADE_AGAIN:
                with contextlib.suppress(FileExistsError):
                    os.mkdir(base, _MODE, dir_fd=parent)
                    made = os.open(base, _OPEN, dir_fd=parent)
                    try:
                        files.hand_over(made, parent)
                    finally:
                        os.close(made)
            if (wrong := unfit(self.root, name, parent, os.fstat(opened[""]).st_dev)) is not None:
                return wrong
            opened[name] = os.open(base, _OPEN, dir_fd=parent)
            if (wrong := _elsewhere(self.root / name, opened[name], opened[""])) is not None:
                return wrong
        if self._group is not None:
            for name, handle in opened.items():
                if (wrong := self._shared(name, handle, self._group)) is not None:
                    return wrong
        if self._identity is not None and self._new:
            if read_marker(opened[""]) is None:
                files.write(MARKER, f"{self._identity}\n".encode(), dir_fd=opened[""])
            try:
                self._placed(opened[""])
            except StationBroken as broken:
                return Away(f"日志库写不下：{broken}", f"the journal cannot be written: {broken}", "tongguan doctor")
        self._new = False
        self._marked = _mark(opened[""]) if self._identity is not None else ()
        return None

    def _shared(self, name: str, handle: int, group: int) -> Away | None:
        """Let the group into a folder, and what is made there be the group's, as what is made in `work/` and goes there; into that
        nobody else."""
        seen = os.fstat(handle)
        wanted = (group, 0o2700 if name.startswith("work") else 0o2750 if not name else 0o2770)
        if (seen.st_gid, stat.S_IMODE(seen.st_mode)) == wanted:
            return None
        path = self.root / name
        try:
            if seen.st_gid != wanted[0]:
                os.fchown(handle, -1, wanted[0])
            os.fchmod(handle, wanted[1])
        except PermissionError:
            do = f"chgrp {wanted[0]} {quote(str(path))} && chmod {wanted[1]:o} {quote(str(path))}"
            return _wrong(
                path,
                f"不能交给组 {group}：网关的用户不是该组成员，或不是该文件夹的属主",
                f"cannot be given to group {group}: the gateway's user is not in it, or does not own the folder",
                do,
            )
        return None

    def _not_ours(self, root: int) -> Away | None:
        found = read_marker(root)
        if found == self._identity or (found is None and self._new):
            return None
        return strange(self.root, self.account, found)

    def _marker_wrong(self) -> Away | None:
        if self._identity is None:
            return None
        root = self._handles[""]
        try:
            mark = _mark(root)
        except FileNotFoundError:
            return strange(self.root, self.account, None)
        if mark != self._marked:
            if read_marker(root) != self._identity:
                return strange(self.root, self.account, read_marker(root))
            self._marked = mark
        return None


def _close(handles: dict[str, int]) -> None:
    while handles:
        os.close(handles.popitem()[1])


def unfit(root: Path, name: str, parent: int, device: int) -> Away | None:
    """Why a folder of a mailbox cannot be used; `parent` is the descriptor of the folder that it lies in."""
    path = root / name
    try:
        seen = os.stat(os.path.basename(name), dir_fd=parent, follow_symlinks=False)
    except FileNotFoundError:
        return _wrong(path, "不存在", "is missing", *_bring(path))
    if stat.S_ISLNK(seen.st_mode):
        leads = os.readlink(os.path.basename(name), dir_fd=parent)
        return _wrong(
            path, f"是链接，指向 {leads}", f"is a link to {leads}", "换成真正的文件夹", "put a real folder in its place"
        )
    if not stat.S_ISDIR(seen.st_mode):
        return _wrong(path, "不是文件夹", "is no folder", "换成文件夹", "put a folder in its place")
    if seen.st_dev != device:
        do = "一个信箱的文件夹必须在同一文件系统上", "all folders of a mailbox must lie on one file system"
        return _wrong(path, "在另一个文件系统上", "lies on another file system", *do)
    return _unusable(path, _place(seen), parent)


def _elsewhere(path: Path, handle: int, root: int) -> Away | None:
    """A folder that is mounted there from another place, maybe from another account's mailbox: nothing can be renamed into it either."""
    if _mount(handle) == _mount(root):
        return None
    do = (
        f"umount {quote(str(path))}：信箱的文件夹必须都在信箱里",
        f"umount {quote(str(path))}: all folders of a mailbox must lie in it",
    )
    return _wrong(path, "是挂载点", "is a mount point", *do)


def _mount(handle: int) -> str:
    """Which mount an open folder was reached by; the same for all where the system does not say."""
    try:
        with open(f"/proc/self/fdinfo/{handle}", encoding="ascii") as lines:
            return next((line for line in lines if line.startswith("mnt_id:")), "")
    except OSError:
        return ""


def _unusable(path: Path, place: FolderIdentity, parent: int) -> Away | None:
    _, _, mode, uid, _ = place
    may = os.access(path.name, os.R_OK | os.W_OK | os.X_OK, dir_fd=parent, effective_ids=True, follow_symlinks=False)
    if may and mode & stat.S_IRWXU == stat.S_IRWXU:
        return None
    if mode & stat.S_IRWXU == stat.S_IRWXU and os.geteuid() in (0, uid):
        return _wrong(
            path,
            "不能写，而权限没有问题：文件系统只读，或文件夹被锁定（chattr +i）",
            "cannot be written though its mode is right: its file system is read-only, or it is locked (chattr +i)",
            f"findmnt -T {quote(str(path))}; lsattr -d {quote(str(path))}",
        )
    shown, owner, me = f"{stat.S_IMODE(mode):o}", permissions.user(uid), os.geteuid()
    take = "" if me in (0, uid) else f"chown {permissions.user(me)} {quote(str(path))} && "
    return _wrong(
        path,
        f"权限为 {shown}，属主 {owner}，网关不能读写",
        f"has mode {shown} and owner {owner}: we cannot work in it",
        f"{take}chmod 770 {quote(str(path))}",
    )


def read_marker(root: int) -> str | None:
    """The id that a mailbox carries; None when it carries none, "?" when what is there is no marker."""
    try:
        handle = os.open(MARKER, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=root)
    except FileNotFoundError:
        return None
    except OSError:
        return "?"
    try:
        if not stat.S_ISREG(os.fstat(handle).st_mode):
            return "?"
        return os.read(handle, _MOST_MARKER).decode("ascii", "replace").strip() or "?"
    finally:
        os.close(handle)


def strange(root: Path, account: str, found: str | None) -> Away:
    """The mailbox has no marker, or another's."""
    do = f"tongguan mailbox adopt {account}"
    if found == "?" and permissions.is_locked(root / MARKER):
        return _wrong(root / MARKER, "不能读取", "cannot be read", *permissions.closed(root / MARKER))
    if found is None:
        return _wrong(
            root / MARKER,
            "不存在：共享不在，或这是另一个信箱",
            "is missing: the share is away, or this is another mailbox",
            f"让共享恢复；若今后就用这个文件夹作信箱：{do}",
            f"bring the share back; if this folder is to be the mailbox from now on: {do}",
        )
    return _wrong(
        root / MARKER,
        "的标识不是本账户的：这是另一个信箱或副本",
        "is not this account's: this is another mailbox, or a copy of one",
        f"放回正确的信箱；若今后就用这个文件夹作信箱：{do}",
        f"put the right mailbox there; if this folder is to be the mailbox from now on: {do}",
    )


def troubles(root: Path, account: str, identity: str | None, *, new: bool) -> Iterator[Away]:
    """All that is wrong with a mailbox, for people; nothing is made, opened for writing, or held.

    Of a `new` one nothing was there yet: what is missing will be made, and its marker written where there is none.
    """
    try:
        base = os.open(root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except FileNotFoundError as missing:
        if not new:
            yield _failed(root, missing)
        return
    except OSError as failed:
        yield _failed(root, failed)
        return
    opened = {"": base}
    try:
        if (found := read_marker(base)) != identity and not (new and found is None):
            yield strange(root, account, found)
        for name in (*FOLDERS, SPARES):
            parent = opened.get(os.path.dirname(name))
            if parent is None or ((new or name == SPARES) and not _lies(os.path.basename(name), parent)):
                continue
            if (wrong := unfit(root, name, parent, os.fstat(base).st_dev)) is not None:
                yield wrong
            else:
                opened[name] = os.open(os.path.basename(name), _OPEN, dir_fd=parent)
                if (wrong := _elsewhere(root / name, opened[name], base)) is not None:
                    yield wrong
    except OSError as failed:
        yield _failed(root, failed)
    finally:
        for handle in opened.values():
            os.close(handle)


def names_taken(place: Path) -> list[str]:
    """Names in a folder that end as files do that the gateway takes; none where it cannot be listed."""
    try:
        return sorted(name for name in os.listdir(place) if file_names.extension(os.fsencode(name)))
    except OSError:
        return []


def _lies(name: str, folder: int) -> bool:
    try:
        os.stat(name, dir_fd=folder, follow_symlinks=False)
    except FileNotFoundError:
        return False
    return True


def adopt(root: Path, identity: str) -> None:
    """Make a folder this mailbox: what is missing in it is made, and the marker written. Away when a folder is no folder."""
    folders = Folders(root, identity=None)
    folders.check()
    try:
        files.write(MARKER, f"{identity}\n".encode(), dir_fd=folders[""], durable=True)
    finally:
        folders.close()


def identity_marker(account: str) -> str:
    """The name under which the journal keeps the id of an account's mailbox, with ` new` behind it until the marker is written."""
    return f"mailbox:{account}"


def _place(seen: os.stat_result) -> FolderIdentity:
    return seen.st_dev, seen.st_ino, seen.st_mode, seen.st_uid, seen.st_gid


def _mark(root: int) -> tuple[int, ...]:
    seen = os.stat(MARKER, dir_fd=root, follow_symlinks=False)
    return seen.st_ino, seen.st_size, seen.st_mode, seen.st_mtime_ns, seen.st_ctime_ns


def silent(root: Path) -> Away:
    """The mailbox does not answer: not even an error."""
    return _wrong(root, "没有应答", "does not answer", "看共享（NFS）的服务器和网络", "look at the share's server and network")


def _wrong(path: Path, zh: str, en: str, do: str, do_en: str = "") -> Away:
    return Away(f"{path} {zh}", f"{path} {en}", in_both(do, do_en or do))


def _bring(path: Path) -> tuple[str, str]:
    make = f"mkdir -m 770 {quote(str(path))}"
    return f"把它放回去，或 {make}", f"put it back, or {make}"


def _failed(root: Path, wrong: OSError) -> Away:
    path = Path(os.fsdecode(wrong.filename)) if isinstance(wrong.filename, str | bytes) else wrong.filename
    shown = path if isinstance(path, Path) and path.is_absolute() else root
    if isinstance(wrong, FileNotFoundError):
        back = "把信箱放回去", "put the mailbox back"
        return _wrong(shown, "不存在", "is missing", *(_bring(shown) if shown != root else back))
    if isinstance(wrong, NotADirectoryError | FileExistsError):
        zh, en = "不是文件夹，或上级之一不是", "is no folder, or one above it is none"
        return _wrong(shown, zh, en, "换成文件夹", "put a folder in its place")
    if isinstance(wrong, PermissionError):
        return _wrong(shown, f"不能使用：{wrong.strerror}", f"cannot be used: {wrong.strerror}", *permissions.closed(shown))
    return _wrong(shown, f"不能使用：{wrong.strerror}", f"cannot be used: {wrong.strerror}", "tongguan doctor")
