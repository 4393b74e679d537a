"""What every command shares: the home it is about, the language it speaks, the form of its answers, and how it ends.

A command is a plain function of its own arguments that returns its exit code (None: 0); `command` gives it `--home`, `--lang` and
`--json`, and turns errors meant for users into one line that says what to do next.
"""

from __future__ import annotations

import errno
import functools
import getpass
import inspect
import os
import socket
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field, replace
from enum import StrEnum
from pathlib import Path
from shlex import quote
from typing import TYPE_CHECKING, Annotated, Any

import typer

from tongguan.gateway.model import characters
from tongguan.gateway.model.errors import JournalUnfit, NoJournal, SettingsWrong, TongguanError, in_language
from tongguan.gateway.settings import RUNNING, Settings, language_of, read_settings
from tongguan.gateway.system.business_clock import BusinessClock, kept_line
from tongguan.gateway.system.printed import at_home
from tongguan.gateway.system.storage import file_names, home_lock, permissions

if TYPE_CHECKING:
    from tongguan.gateway.journal.client import JournalClient

WRONG_SETTINGS = 78  #: exit code, as sysexits has it
NOT_TO_BE_WRITTEN = 74  #: likewise: the system refuses a file
#: what the system says of a place or its disk, and is no bug of ours
_PLACES = frozenset(
    {
        errno.EACCES,
        errno.EPERM,
        errno.EROFS,
        errno.ENOSPC,
        errno.EDQUOT,
        errno.EIO,
        errno.ENOTDIR,
        errno.EISDIR,
        errno.ELOOP,
        errno.ENAMETOOLONG,
        errno.EMFILE,
        errno.ENFILE,
        errno.ESTALE,
    }
)


class Language(StrEnum):
    ZH = "zh"
    EN = "en"


@dataclass(frozen=True)
class _Asked:
    home: Path = Path()
    language: str = ""
    json: bool = False
    settings: Settings | None = None  #: in place of those of the file
    looks: bool = False  #: may go by what the gateway runs with while the file is wrong
    held: list[JournalUnfit] = field(default_factory=list)  #: that another process holds the journal, once that was waited for


_asked: ContextVar[_Asked] = ContextVar("asked", default=_Asked())  # noqa: B039 frozen

_HomeOption = Annotated[Path, typer.Option("--home", envvar="TONGGUAN_HOME", readable=False, help="the home / 主目录")]
_LangOption = Annotated[Language | None, typer.Option("--lang", help="language of texts / 文字语言")]
_JsonOption = Annotated[bool, typer.Option("--json", help="answer in JSON / 以 JSON 输出")]


class CommandWrong(TongguanError):
    """The user must do something else; says so in Chinese and English."""

    def __init__(self, zh: str, en: str, *, code: int = 1) -> None:
        super().__init__(zh, en)
        self.code = code


def command(
    app: typer.Typer, name: str, *, text: str, homeless: bool = False, strict: bool = True
) -> Callable[[Callable[..., int | None]], None]:
    """Register a function as a command whose help says `text`; `homeless` ones are not about an existing home, `strict` ones want its
    settings right."""

    def register(function: Callable[..., int | None]) -> None:
        @functools.wraps(function)
        def run(*, home: Path = Path(), lang: Language | None = None, as_json: bool = False, **own: Any) -> None:
            _warn.cache_clear()
            with _asking(_Asked(home, lang.value if lang else "", as_json, looks=not strict)):
                meant = {name: _as_meant(value) for name, value in own.items()}
                code = _guarded(functools.partial(_in_a_folder, home, lambda: function(**meant)))
            raise typer.Exit(code)

        signature = inspect.signature(function, eval_str=True)
        added = [_parameter("lang", _LangOption, None), _parameter("as_json", _JsonOption, False)]
        if not homeless:
            added.insert(0, _parameter("home", _HomeOption, Path()))
        mine = [p.replace(kind=inspect.Parameter.KEYWORD_ONLY) for p in signature.parameters.values()]
        run.__dict__.pop("__wrapped__", None)
        run.__dict__["__signature__"] = signature.replace(parameters=[*mine, *added], return_annotation=None)
        run.__annotations__ = {p.name: p.annotation for p in (*mine, *added)}
        app.command(name, help=text)(run)

    return register


def _parameter(name: str, annotation: Any, default: Any) -> inspect.Parameter:
    return inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=annotation)


def _as_meant(value: Any) -> Any:
    """What was typed in another encoding than the system's is read as names of files are: as Chinese systems write it."""
    if isinstance(value, list):
        return [_as_meant(each) for each in value]
    if type(value) is not str or characters.encodes(value):
        return value
    return file_names.shown(file_names.as_text(os.fsencode(value)))


def _guarded(run: Callable[[], int | None]) -> int:
    """The command's exit code; errors meant for users become a line on stderr."""
    try:
        return run() or 0
    except CommandWrong as wrong:
        complain(wrong.zh, wrong.en)
        return wrong.code
    except NoJournal:
        try:
            lost = disagreement()
        except JournalUnfit as unfit:
            complain(unfit.zh, unfit.en)
            return WRONG_SETTINGS
        if lost:  # it ran, and the journal is gone: to start is not what helps
            from tongguan.gateway.journal.history.consistency import RESTORE

            complain(f"{lost}；{RESTORE[0]}", f"{lost}; {RESTORE[1]}")
            return WRONG_SETTINGS
        start = f"tongguan run --home {quote(str(home()))}"
        complain(f"这个主目录还没有运行过；启动：{start}", f"nothing ran here yet; start: {start}")
        return 1
    except SettingsWrong as wrong:
        complain(wrong.zh, wrong.en)
        return WRONG_SETTINGS
    except TongguanError as wrong:
        complain(f"{wrong.zh}；请执行 tongguan doctor", f"{wrong.en}; type: tongguan doctor")
        return 1
    except Exception as wrong:
        if isinstance(wrong, OSError) and wrong.errno in _PLACES:
            complain(*_refused(wrong))
            return NOT_TO_BE_WRITTEN
        said = _damage()
        if said is None:
            raise  # a bug of ours
        complain(said.zh, said.en)
        return WRONG_SETTINGS


def _in_a_folder(place: Path, run: Callable[[], int | None]) -> int | None:
    """Run; Wrong where the shell stands in a folder that was deleted or replaced: nothing relative to it can be found."""
    if not place.is_absolute():
        try:
            os.getcwd()
        except OSError:
            raise CommandWrong(
                "终端所在的文件夹已被删除或替换；请重新进入：cd",
                "the folder that this shell is in was deleted or replaced; go into it anew: cd",
                code=WRONG_SETTINGS,
            ) from None
    return run()


def _refused(wrong: OSError) -> tuple[str, str]:
    place = os.fsdecode(wrong.filename) if isinstance(wrong.filename, str | bytes) else ""
    if place and permissions.is_locked(Path(place)):
        zh, en = permissions.closed(Path(place))
        return f"系统拒绝使用 {place}：{wrong.strerror}；{zh}", f"the system refuses {place}: {wrong.strerror}; {en}"
    return (
        f"系统拒绝{place and f'使用 {place}'}：{wrong.strerror}；请检查权限、磁盘空间，以及执行命令的用户",
        f"the system refuses{place and f' {place}'}: {wrong.strerror}; look at permissions, room on the disk, and who types this",
    )


def _damage() -> JournalUnfit | None:
    """What is wrong with the pages of the home's journal, when a command failed in a way that nobody foresaw."""
    from tongguan.gateway.journal.database.engine import MEND, damage, examine

    try:
        known = settings()
        examine(known.database.url, known.home)
        said = damage(known.database.url, known.home)
    except JournalUnfit as unfit:
        return unfit
    except (TongguanError, OSError):
        return None
    return JournalUnfit(f"日志文件已损坏（{said}）", f"the journal's file is damaged ({said})", do=MEND) if said else None


def complain(zh: str, en: str) -> None:
    print(characters.shown(typed(t(zh, en))), file=sys.stderr)


def home() -> Path:
    return _asked.get().home


def typed(text: str) -> str:
    """The text, its commands such that they are about this home where they are typed: bare where the shell is about it already."""
    return at_home(text, None if _usual(home()) else home().absolute())


def _usual(place: Path) -> bool:
    """Is a command that names no home about this one?"""
    try:
        return os.path.samefile(place, os.environ.get("TONGGUAN_HOME") or ".")
    except OSError:
        return False


def settings() -> Settings:
    """The home's settings; SettingsWrong when they cannot be used. A command that looks then goes by those that run, and says so."""
    asked = _asked.get()
    if asked.settings is not None:
        return asked.settings
    try:
        known = read_settings(asked.home)
        _same_journal(known)
        return known
    except SettingsWrong as wrong:
        running = _running(asked.home) if asked.looks else None
        if running is None:
            raise
        _warn(wrong.zh, wrong.en)
        return running


def _same_journal(known: Settings) -> None:
    """SettingsWrong while a gateway goes on with another journal than the settings name by now: nobody shall restore that one."""
    running = _running(known.home)
    if running is not None and running.database.url != known.database.url and home_lock.is_held(known.home):
        told = running.database.url
        raise SettingsWrong(
            f"database.url 已改，而运行中的网关仍用 {told}：改回来，或先停止网关",
            f"database.url was changed, and the gateway that runs goes on with {told}: put it back, or stop the gateway first",
        )


def _running(place: Path) -> Settings | None:
    """What the gateway runs with, or ran with last; None where none ever ran."""
    try:
        return read_settings(place, file=RUNNING)
    except SettingsWrong:
        return None


@functools.cache
def _warn(zh: str, en: str) -> None:
    """Said once a command."""
    complain(
        f"! {zh}\n  以下按网关运行所用的设置；查看：tongguan config check",
        f"! {en}\n  what follows goes by the settings that the gateway runs with; look: tongguan config check",
    )


def business_clock() -> BusinessClock:
    """The clock that what is dated goes by, as the home's gateway has it."""
    known = settings()
    return BusinessClock(kept_line(known.home) if known.gateway.environment == "test" else None)


@contextmanager
def journal() -> Iterator[JournalClient]:
    """The home's journal, to look into; one that another process holds is waited for once a command."""
    from tongguan.gateway.journal.client import JournalClient  # late: it brings SQLAlchemy along
    from tongguan.gateway.journal.database.engine import FREE

    known = settings()
    not_held()
    try:
        with JournalClient.open(known.database.url, known.home) as client:
            yield client
    except JournalUnfit as unfit:
        if unfit.do is FREE:
            _asked.get().held.append(unfit)
        raise


@contextmanager
def alone() -> Iterator[None]:
    """Hold the home: no gateway runs meanwhile."""
    try:
        handle = home_lock.hold(home())
    except BlockingIOError:
        raise CommandWrong("网关正在运行；请先停下它", "the gateway is running; stop it first", code=WRONG_SETTINGS) from None
    try:
        yield
    finally:
        os.close(handle)


def not_held() -> None:
    """JournalUnfit where this command has waited for the journal in vain."""
    for unfit in _asked.get().held:
        raise unfit


def disagreement() -> str | None:
    """What does not fit between journal, anchor and anchor key, in the user's language; no gateway starts then."""
    from tongguan.gateway.journal.database.engine import is_frozen, journal_file
    from tongguan.gateway.journal.history.anchor import Anchor
    from tongguan.gateway.journal.history.consistency import disagreement as found

    known = settings()
    url, frozen = known.database.url, is_frozen(journal_file(known.database.url, known.home))
    return in_language(found(url, known.home, Anchor(known.home / "anchor.jsonl"), frozen=frozen), language())


@contextmanager
def at(place: Path) -> Iterator[None]:
    """Let what follows be about this home."""
    with _asking(replace(_asked.get(), home=place, settings=None, held=[])):
        yield


@contextmanager
def using(known: Settings) -> Iterator[None]:
    """Let what follows go by these settings."""
    with _asking(replace(_asked.get(), settings=known)):
        yield


@contextmanager
def _asking(asked: _Asked) -> Iterator[None]:
    token = _asked.set(asked)
    try:
        yield
    finally:
        _asked.reset(token)


def as_json() -> bool:
    return _asked.get().json


def language() -> str:
    """`--lang`, else the settings', else Chinese."""
    asked = _asked.get()
    if asked.language:
        return asked.language
    return _language_of(asked.home)


@functools.cache
def _language_of(home: Path) -> str:
    return language_of(home)


def t(zh: str, en: str) -> str:
    """The text in the user's language."""
    return en if language() == "en" else zh


def told(kept: str | None) -> str | None:
    """A text that the journal keeps in both languages, in the user's."""
    return in_language(kept, language())


def words(what: Any) -> str:
    """What says itself in `zh` and `en`, in the user's language."""
    return t(what.zh, what.en)


def who() -> str:
    """Who gives an order, for the history."""
    try:
        user = getpass.getuser()
    except (OSError, KeyError):
        user = "?"
    return f"{user}@{socket.gethostname()}"
