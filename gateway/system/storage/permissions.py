"""Files of a home that are its owner's alone: journal, anchor, logs, sockets, ports. Whatever the umask, and in old homes too."""

from __future__ import annotations

import contextlib
import os
import pwd
import stat
from collections.abc import Iterable, Iterator
from pathlib import Path
from shlex import quote

from tongguan.gateway.system.storage import files

_PATTERNS = (
    "*.db",
    "*.db-wal",
    "*.db-shm",
    "*.db-journal",
    "*.jsonl",
    "*.jsonl.*",
    "*.log",
    "*.lock",
    "*.sock",
    "running.toml",
    "secrets/anchor.key",
    "simulators/*.json",
    "simulators/*.db*",
)


def loose(home: Path, more: Iterable[Path] = ()) -> Iterator[Path]:
    """Those that somebody else may read or write; `more` are files of the settings that may lie elsewhere."""
    named = (path for path in more for path in (path, *path.parent.glob(f"{path.name}-*")))
    for path in dict.fromkeys([*(found for pattern in _PATTERNS for found in home.glob(pattern)), *named]):
        try:
            mode = path.lstat().st_mode
        except OSError:
            continue
        if (stat.S_ISREG(mode) or stat.S_ISSOCK(mode)) and stat.S_IMODE(mode) & 0o077:
            yield path


def mend(home: Path, more: Iterable[Path] = ()) -> list[Path]:
    """Take others' permissions away; the files that it was done to."""
    mended = []
    for path in loose(home, more):
        try:
            path.chmod(stat.S_IMODE(path.lstat().st_mode) & ~0o077)
        except OSError:
            continue  # another owner's: doctor says so
        mended.append(path)
    return mended


def is_locked(path: Path) -> bool:
    """Is there a file that whoever runs this may not read?"""
    try:
        files.read(path, 0)
    except PermissionError:
        return True
    except OSError:
        pass
    return False


def closed(path: Path) -> tuple[str, str]:
    """Whose a file is that whoever runs this may not read, or the folder on the way to it, and what to type; in Chinese and English."""
    try:
        places = (*reversed(path.absolute().parents), path.absolute())
        place = next(
            each for each in places if not os.access(each, os.X_OK if each != places[-1] else os.R_OK, effective_ids=True)
        )
        owner, above, me = place.stat().st_uid, place.parent.stat().st_uid, os.geteuid()
    except (OSError, StopIteration):  # by other rules than modes
        look = f"namei -l {quote(str(path))}"
        return f"请检查其权限和属主：{look}", f"look at its mode and owner: {look}"
    whose = user(owner or above)  # what is root's in somebody's folder was left there by mistake
    if owner == me:
        zh = en = f"chmod u+rX {quote(str(place))}"
    elif above == me:
        zh = en = f"chown {user(me)} {quote(str(place))}"
    elif owner or above:
        zh, en = f"请以 {whose} 执行：sudo -u {whose} …", f"type it as {whose}: sudo -u {whose} …"
    else:
        do = f"setfacl -m u:{user(me)}:rX {quote(str(place))}"
        zh, en = f"请以 root 执行，或让 {user(me)} 可读：{do}", f"type it as root, or let {user(me)} in: {do}"
    return (
        f"{place} 属于用户 {user(owner)}，当前用户是 {user(me)}；{zh}",
        f"{place} belongs to {user(owner)}, and this is {user(me)}; {en}",
    )


def owner(home: Path) -> int:
    """As whom the gateway of a home runs: as whoever asks; root asks for the home's owner."""
    return os.geteuid() or home.stat().st_uid


def groups(number: int) -> set[int]:
    """The groups that a user is in: by the system's list, or whoever runs this, as long as he does."""
    if number == os.geteuid():
        return {os.getegid(), *os.getgroups()}
    try:
        known = pwd.getpwuid(number)
        return set(os.getgrouplist(known.pw_name, known.pw_gid))
    except KeyError:
        return set()


def user(number: int) -> str:
    """A user's name; his number where the system knows none."""
    try:
        return pwd.getpwuid(number).pw_name
    except KeyError:
        return str(number)


def make(path: Path) -> None:
    """Make an empty file for its owner alone, where there is none: who fills it keeps its mode."""
    with contextlib.suppress(FileExistsError):
        os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_CLOEXEC, 0o600))
        files.hand_over(path, path.parent)
