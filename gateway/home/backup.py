"""One file that holds a gateway: made while it runs, put back into its home or into a new one.

Promises: what a backup holds of the journal is of one moment, and was read again before the file has its name; what lies in a home is
never written over, the former journal is moved aside; a home in which a restore was cut off does not start, and takes the restore again.
PINs, keys and other secrets are in it only where somebody asked for them.
"""

from __future__ import annotations

import fcntl
import os
import re
import shutil
import stat
import tempfile
import zipfile
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import asdict, dataclass
from datetime import date
from functools import partial
from pathlib import Path, PurePosixPath

import orjson
from pydantic import TypeAdapter, ValidationError

from tongguan import __version__
from tongguan.gateway.daemon.alert_ways import OWN_FORMS
from tongguan.gateway.daemon.start_checks.secrets_check import certificate_files, secret_files
from tongguan.gateway.flow.submission.dispatch import series_ahead
from tongguan.gateway.home.home import SETTINGS, owners_alone
from tongguan.gateway.journal.client import JournalClient
from tongguan.gateway.journal.database.copying import JournalCopy, copy_journal, keys_of, look_into
from tongguan.gateway.journal.database.engine import journal_file
from tongguan.gateway.journal.history.anchor import Anchor, AnchorWrong, signed
from tongguan.gateway.journal.history.audit import OnProgress
from tongguan.gateway.journal.history.consistency import Acceptance
from tongguan.gateway.journal.journal import Journal
from tongguan.gateway.journal.reading.lookups import slices
from tongguan.gateway.model.errors import SettingsWrong
from tongguan.gateway.profile.loading import OWN, TABLES, load_profiles
from tongguan.gateway.settings import RUNNING, Settings, read_settings, settings_of
from tongguan.gateway.system import clock, times
from tongguan.gateway.system.business_clock import FILE as CLOCK
from tongguan.gateway.system.business_clock import BusinessClock, kept_line
from tongguan.gateway.system.storage import files, home_lock, permissions
from tongguan.gateway.system.storage.folders import FOLDERS, MARKER, names_taken
from tongguan.gateway.system.threads import ANSWER, within

_FACTS, _JOURNAL, _ANCHOR, _KEY = "backup.json", "tongguan.db", "anchor.jsonl", "secrets/anchor.key"
_FORM = 1  #: of what a backup file holds
_FILES = (SETTINGS, RUNNING, _ANCHOR, CLOCK, "checklist.md")
_FOLDERS = ("trust", OWN, TABLES, OWN_FORMS)
_SECRET = ("secrets", "cards", "tokens", "softhsm2.conf")
_MAKING, _STAGING, _ASIDE = ".tongguan-backup-", ".restore-", "before-restore-"
_LEFT = rf"{re.escape(_STAGING)}|{_ASIDE}|\..*\.tmp$"  #: names that a restore leaves in a folder when it is killed
_MOST_FACTS = 1_000_000  #: bytes
_PIECE = 1 << 20
_ENCRYPTED, _METHODS = 0x1, (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
_OURS = (RUNNING, CLOCK)  #: what the gateway writes itself: nobody cares how it differs
#: numbers that a series skips where nobody knows how many were given, or the part of all that it has; and so many more each second
_SKIPPED, _OF_A_SERIES, _A_SECOND = 1_000_000, 100, 100
_YEAR = 366 * 24 * 3600  #: seconds, within which no series ends

Alone = Callable[[], AbstractContextManager[None]]
"""Holds the home: no gateway runs meanwhile."""


class BackupWrong(SettingsWrong):
    """The file cannot be restored here, or not made there: why, and what to do."""


@dataclass(frozen=True, slots=True)
class MadeBy:
    """What every backup file says of itself, whatever its form."""

    form: int
    version: str  #: of the program that made it


@dataclass(frozen=True, slots=True)
class BackupFacts(MadeBy):
    """What a backup file of this form says of itself."""

    made_at: int
    environment: str
    revision: str  #: of the journal's schema
    messages: int
    last: int | None  #: when the journal's last step was written
    secrets: bool  #: are PINs, keys and tokens in it?


@dataclass(frozen=True, slots=True)
class Restored:
    """What a restore did."""

    facts: BackupFacts
    aside: Path | None  #: where the former journal is now; None where there was none
    newest: bool  #: numbers go on where the home's own anchor says; else they skip ahead
    since: Sequence[str]  #: ids of messages that left something in a mailbox and are not in the backup
    kept: Sequence[str]  #: files that are here and other than the backup's: they stay
    missing: Sequence[str]  #: secrets that the settings name and nobody has put here


def make(known: Settings, target: Path, *, secrets: bool, progress: OnProgress) -> BackupFacts:
    """Make a backup of a home, also while its gateway runs.

    Raises BackupWrong when `target` is there already, JournalUnfit or NoJournal when there is no journal to read, OSError.
    """
    if os.path.lexists(target):
        raise BackupWrong(f"{target} 已存在；请换一个文件名", f"{target} exists; choose another name")
    if not target.parent.is_dir():
        raise BackupWrong(f"没有文件夹 {target.parent}", f"there is no folder {target.parent}")
    mailboxes = within(ANSWER, {place: partial(os.path.realpath, place) for place in map(known.mailbox, known.account)})
    if any(target.parent.resolve().is_relative_to(place) for place in mailboxes.values()):
        raise BackupWrong(
            f"{target} 在信箱里，会被当作报文取走；请换一个文件夹",
            f"{target} is in a mailbox, where it would be taken for a message; choose another folder",
        )
    with _beside(target, _MAKING) as folder:
        # The anchor first: of a journal that is older than its anchor something is missing.
        others = {name: files.read(known.home / name) for name in _names(known, secrets=secrets)}
        copy = copy_journal(known.database.url, known.home, folder / _JOURNAL, lambda done, of: progress("pages", done, of))
        facts = BackupFacts(
            form=_FORM,
            made_at=clock.now_ms(),
            version=__version__,
            environment=known.gateway.environment,
            revision=copy.revision,
            messages=copy.messages,
            last=copy.last,
            secrets=secrets,
        )
        part = folder / "part"
        _pack(part, facts, folder / _JOURNAL, others, known.home)
        files.hand_over(part, target.parent)
        files.move(part, target)
    files.sync_folder(target.parent)
    return facts


def _pack(part: Path, facts: BackupFacts, journal: Path, others: Mapping[str, bytes], home: Path) -> None:
    with open(os.open(part, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600), "wb") as file:
        with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED, compresslevel=1, strict_timestamps=False) as archive:
            archive.writestr(_FACTS, orjson.dumps(asdict(facts), option=orjson.OPT_INDENT_2))
            for name, content in others.items():
                info = zipfile.ZipInfo(name)
                info.external_attr = (stat.S_IFREG | stat.S_IMODE((home / name).stat().st_mode)) << 16
                archive.writestr(info, content, zipfile.ZIP_DEFLATED)
            archive.write(journal, _JOURNAL)
        file.flush()
        os.fsync(file.fileno())


def _names(known: Settings, *, secrets: bool) -> list[str]:
    """What of a home is in its backup, beside the journal: names in the home, of plain files that are there."""
    home = known.home
    hidden = {_within(home, path) for _, path in secret_files(known)}
    found = {*_FILES, *(_within(home, path) for _, path in certificate_files(known))}
    marks = {_within(home, known.mailbox(account) / MARKER) for account in known.account}
    found |= {
        mark for mark in marks if mark and not (home / mark).is_symlink()
    }  # whoever fills a mailbox may have put a link there
    for folder in (*_FOLDERS, *(_SECRET if secrets else ())):
        found |= {_within(home, path) for path in (home / folder).rglob("*")}
    if secrets:
        found |= hidden | {_SECRET[-1]}
    else:
        found -= hidden
    return sorted(name for name in found if name and (home / name).is_file())


def _within(home: Path, path: Path) -> str:
    """Its name in the home; empty for what lies elsewhere."""
    try:
        return Path(os.path.normpath(path.absolute())).relative_to(os.path.normpath(home.absolute())).as_posix()
    except ValueError:
        return ""


def restore(file: Path, home: Path, accepted: Acceptance, *, alone: Alone, progress: OnProgress) -> Restored:
    """Put a backup into its home, or into a new one, that is held `alone` meanwhile.

    Raises BackupWrong when the file is none, or not this home's; JournalUnfit, SettingsWrong, OSError: the home goes on as it was.
    """
    if not file.is_file():  # a device is nobody's to move away
        raise BackupWrong(f"没有备份文件 {file}", f"there is no backup file {file}")
    try:
        with files.plain(file).open("rb") as opened, zipfile.ZipFile(opened) as archive, owners_alone():
            facts, others = _facts(archive, file), _others(archive, file)
            if not (home / SETTINGS).exists() and (foreign := _foreign(home, others)):
                raise BackupWrong(
                    f"{home} 不是主目录，里面有 {foreign}；请换一个新目录",
                    f"{home} is no home, and {foreign} lies there; choose a new folder",
                )
            files.make_folder(home, 0o750)
            with alone():
                return _restored(archive, home, facts, others, accepted, progress)
    except (zipfile.BadZipFile, zlib.error, EOFError) as wrong:
        raise BackupWrong(f"{file} 不是备份文件，或已损坏（{wrong}）", f"{file} is no backup, or damaged ({wrong})") from None


def _restored(
    archive: zipfile.ZipFile,
    home: Path,
    facts: BackupFacts,
    others: dict[str, zipfile.ZipInfo],
    accepted: Acceptance,
    progress: OnProgress,
) -> Restored:
    new = not (home / SETTINGS).exists()
    known = settings_of(archive.read(SETTINGS), home) if new else read_settings(home)
    journal = _place(known, facts, new=new)
    files.make_folder(journal.parent)
    with _beside(journal, _STAGING) as staging:
        _unpack(archive.getinfo(_JOURNAL), archive, staging / _JOURNAL, progress)
        copy = look_into(staging / _JOURNAL)
        if (here := keys_of(journal)) and not {*here} & {*copy.keys}:
            raise BackupWrong(
                f"{home} 是另一个网关的主目录，备份不属于它；请换一个新目录",
                f"{home} is another gateway's home than the backup's; choose a new folder",
            )
        last = others.pop(SETTINGS)  # without settings a folder is no home
        kept = [name for name, info in others.items() if not _placed(home / name, archive, info) and name not in _OURS]
        numbers, newest = _given_since(home, archive, copy)
        if not newest:
            numbers = _furthest(numbers, far_ahead(known, copy.numbers, facts.made_at))
        _give_key(staging, home, archive)
        Journal.open(
            f"sqlite:///{_JOURNAL}", staging, accepted=accepted._replace(restored=True, numbers=numbers), upgrades=True
        ).close("restored")
        aside = _put_back(staging, home, journal)
        if not _placed(home / SETTINGS, archive, last):
            kept.append(SETTINGS)
        for more in ("-wal", ""):  # the last: until then nothing starts here
            files.move(staging / f"{_JOURNAL}{more}", f"{journal}{more}")
        files.sync_folder(journal.parent)
    missing = sorted({str(path) for _, path in secret_files(known) if not path.exists()})
    return Restored(facts, aside, newest, _since(known), sorted(kept), missing)


def _place(known: Settings, facts: BackupFacts, *, new: bool) -> Path:
    """Where the journal goes; BackupWrong where it must not."""
    if known.gateway.environment != facts.environment:
        raise BackupWrong(
            f"备份属于 {facts.environment}，而主目录属于 {known.gateway.environment}：两者从不混用",
            f"the backup is of {facts.environment}, the home of {known.gateway.environment}: they never mix",
        )
    journal = journal_file(known.database.url, known.home)
    assert journal is not None  # settings take no server yet
    if new and journal.exists() and not journal.resolve().is_relative_to(known.home):
        raise BackupWrong(
            f"{journal} 已存在，也许是另一个主目录的；请先移开它",
            f"{journal} is there already, maybe another home's; move it away first",
        )
    return journal


def _unpack(info: zipfile.ZipInfo, archive: zipfile.ZipFile, target: Path, progress: OnProgress) -> None:
    permissions.make(target)
    with archive.open(info) as source, open(os.open(target, os.O_WRONLY), "wb") as made:
        while piece := source.read(_PIECE):
            made.write(piece)
            progress("bytes", made.tell(), info.file_size)
        made.flush()
        os.fsync(made.fileno())


def far_ahead(known: Settings, numbers: Mapping[str, int], since: int) -> Mapping[str, int]:
    """First numbers of this year's series far behind those that were free at a moment, the farther the longer that is ago.

    Nobody knows how many were given since; gaps cost nothing.
    """
    business = BusinessClock(kept_line(known.home) if known.gateway.environment == "test" else None)
    today = business.now_ms()
    begun = times.to_ms(times.china_midnight(date(int(times.china_date(today)[:4]), 1, 1)))
    seconds = max(0, min(clock.now_ms() - since, today - begun)) // 1000
    ahead = {}
    for name, digits in series_ahead(load_profiles(home=known.home).values(), today):
        all_numbers = int(10**digits)
        given = seconds * min(_A_SECOND * _YEAR, all_numbers) // _YEAR
        ahead[name] = numbers.get(name, 1) + min(_SKIPPED, all_numbers // _OF_A_SERIES) + given
    return ahead


def _furthest(*numbers: Mapping[str, int]) -> Mapping[str, int]:
    """Of each series what is furthest on."""
    return {name: max(each.get(name, 1) for each in numbers) for name in {name for each in numbers for name in each}}


def _give_key(staging: Path, home: Path, archive: zipfile.ZipFile) -> None:
    """The home's key signs on, else the backup's; else a new one will be made."""
    if Anchor(home / _ANCHOR).own_keys():
        content = files.read(home / _KEY)
    elif _KEY in archive.namelist():
        content = archive.read(_KEY)
    else:
        return
    files.make_folder((staging / _KEY).parent, 0o700)
    files.write(staging / _KEY, content, mode=0o600)


def _facts(archive: zipfile.ZipFile, file: Path) -> BackupFacts:
    try:
        raw = archive.open(_FACTS).read(_MOST_FACTS)
        made = TypeAdapter(MadeBy).validate_json(raw)
        if made.form != _FORM:
            raise BackupWrong(
                f"{file} 是 {made.version} 版做的，本版读不了；请安装那个版本",
                f"{file} was made by {made.version}, and this version cannot read it; install that one",
            )
        archive.getinfo(_JOURNAL), archive.getinfo(SETTINGS)
        return TypeAdapter(BackupFacts).validate_json(raw)
    except (KeyError, ValidationError):
        raise BackupWrong(f"{file} 不是本程序做的备份", f"{file} is no backup that this program made") from None


def _others(archive: zipfile.ZipFile, file: Path) -> dict[str, zipfile.ZipInfo]:
    """What is to be put into the home beside the journal, by name; BackupWrong where a name leads out of it, or no backup has such a part."""
    if any(info.flag_bits & _ENCRYPTED or info.compress_type not in _METHODS for info in archive.infolist()):
        raise BackupWrong(f"{file} 被加密或重新压缩过，读不了", f"{file} was encrypted, or packed anew: it cannot be read")
    found = {info.filename: info for info in archive.infolist() if info.filename not in (_FACTS, _JOURNAL, _ANCHOR, _KEY)}
    for name in found:
        path = PurePosixPath(name)
        if path.is_absolute() or ".." in path.parts or name.endswith("/") or "\\" in name or "\0" in name:
            raise BackupWrong(f"{file} 里有不应有的名称 {name!r}", f"{file} holds a name that no backup has: {name!r}")
    return found


def _foreign(home: Path, others: Iterable[str]) -> str:
    """The first thing in a folder without settings that no restore has left there."""
    ours = {home_lock.LOCK, _ANCHOR, _JOURNAL, "secrets", *(PurePosixPath(name).parts[0] for name in others)}
    found = os.listdir(home) if home.exists() else ()
    left = sorted(name for name in found if name not in ours and not re.match(_LEFT, name))
    return left[0] if left else ""


def _given_since(home: Path, archive: zipfile.ZipFile, copy: JournalCopy) -> tuple[Mapping[str, int], bool]:
    """How far numbers are by the home's own anchor, as far as it can be believed; and whether it is of this journal, and no older."""
    anchor = Anchor(home / _ANCHOR)
    try:
        here = signed(anchor.content(), [*copy.keys, *anchor.own_keys()])
    except AnchorWrong:
        return {}, False
    try:
        then = signed(archive.read(_ANCHOR), copy.keys)
    except (AnchorWrong, KeyError):
        return here.numbers, False
    return here.numbers, all(here.heads.get(run, (-1, ""))[0] >= entry for run, (entry, _) in then.heads.items())


def _put_back(staging: Path, home: Path, journal: Path) -> Path | None:
    """Give the home the staged journal's anchor, with which no other journal starts; then move the former journal aside."""
    aside = journal.with_name(f"{_ASIDE}{times.stamp(clock.now_ms())}")
    former = [Path(f"{journal}{more}") for more in ("-wal", "-shm", "")]
    there = any(path.exists() for path in former)
    if there:
        files.make_folder(aside, 0o700)
        with suppress(FileNotFoundError):
            files.write(aside / _ANCHOR, files.read(home / _ANCHOR), durable=True, mode=0o600)
    if not Anchor(home / _ANCHOR).own_keys():
        files.move(home / _KEY, home / f"{_KEY}.{aside.name}")
        files.make_folder((home / _KEY).parent, 0o700)
        files.write(home / _KEY, files.read(staging / _KEY), durable=True, mode=0o600)
    files.write(home / _ANCHOR, files.read(staging / _ANCHOR), durable=True, mode=0o600)
    for path in former:
        files.move(path, aside / path.name)
    return aside if there else None


def _placed(target: Path, archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> bool:
    """Put a file there; False where another one is, which stays."""
    content = archive.read(info)
    if os.path.lexists(target):
        with suppress(OSError, files.NotAFile):
            return files.read(target) == content
        return False
    files.make_folder(target.parent)
    for folder in FOLDERS if target.name == MARKER else ():
        files.make_folder(target.parent / folder, 0o770)
    files.write(target, content, durable=True, mode=(info.external_attr >> 16) & 0o777 or 0o600)
    return True


def _since(known: Settings) -> list[str]:
    """Ids of messages that have a status file in a mailbox, or their original still in hand there, and that the journal does not know."""
    places = [known.mailbox(account) / folder for account in known.account for folder in ("Status/by-id", "work")]
    found = within(ANSWER, {place: partial(names_taken, place) for place in places})
    told = {Path(name).stem for names in found.values() for name in names}
    with JournalClient.open(known.database.url, known.home) as journal, journal.search() as records:
        return [id_ for some in slices(sorted(told)) for id_ in sorted({*some} - records.messages(some).keys())]


@contextmanager
def _beside(target: Path, prefix: str) -> Iterator[Path]:
    """A folder of its own beside a file, gone afterwards; those that somebody left who was killed go first."""
    for left in target.parent.glob(f"{prefix}*"):
        with suppress(OSError), _held(left, surely=True):  # not one in which another is at work
            shutil.rmtree(left, ignore_errors=True)
    folder = Path(tempfile.mkdtemp(prefix=prefix, dir=target.parent))
    try:
        with _held(folder, surely=False):  # NFS lets nobody hold a folder
            files.hand_over(folder, target.parent)
            yield folder
    except OSError as wrong:
        wrong.filename = wrong.filename or str(target.parent)  # of a full disk the system says not which
        raise
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def _held(folder: Path, *, surely: bool) -> Iterator[None]:
    """Whoever works in a folder holds it, however he ends; `surely`: OSError while another does, or where that cannot be known."""
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            if surely:
                raise
        yield
    finally:
        os.close(handle)
