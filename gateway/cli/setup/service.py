"""`tongguan service install`: a systemd unit for a home, hardened as far as cards and mailboxes allow."""

from __future__ import annotations

import os
import pwd
import shutil
import sys
from pathlib import Path
from shlex import quote
from typing import Annotated

import typer

from tongguan.gateway.cli import context
from tongguan.gateway.cli.context import CommandWrong, t
from tongguan.gateway.cli.output import print_json, print_raw, say
from tongguan.gateway.settings import Settings, own_files
from tongguan.gateway.system.storage import files

FOLDER = Path("/etc/systemd/system")
_HOMES = (Path("/home"), Path("/", "root"), Path("/run/user"))  #: what ProtectHome hides
_TEMPORARY = (Path("/", "tmp"), Path("/", "var", "tmp"))  #: what PrivateTmp hides
_UNIT = """\
[Unit]
Description=Tongguan gateway, {home}
Wants=network-online.target time-sync.target
# A clock that is not set yet (1970) finds no certificate valid: systemd-time-wait-sync or chrony-wait, where it is enabled, is waited for.
After=network-online.target time-sync.target pcscd.socket
StartLimitIntervalSec=10min
StartLimitBurst=5

[Service]
Type=notify
NotifyAccess=main
ExecStart={program} run --home {quoted}
ExecReload={program} reload --home {quoted}
Restart=on-failure
RestartSec=5
# Wrong settings: to begin again would not help.
RestartPreventExitStatus=78
# It says that it is alive every second; a change of settings, which finishes what is in hand, may take two minutes.
WatchdogSec=3min
TimeoutStartSec=10min
TimeoutStopSec=5min
User={user}
{groups}UMask=0027
LimitNOFILE=65536
WorkingDirectory={quoted}
Environment=TONGGUAN_HOME={quoted}

# What it may write: its home, and what the settings name outside of it.
ProtectSystem=strict
ReadWritePaths={writes}
ProtectHome={home_is}
PrivateTmp={private}
# Cards are reached by pcscd. A library that speaks to a reader itself needs: PrivateDevices=no
PrivateDevices=yes
ProtectProc=invisible
ProcSubset=pid
ProtectClock=yes
ProtectHostname=yes
ProtectKernelTunables=yes
ProtectKernelModules=yes
ProtectKernelLogs=yes
ProtectControlGroups=yes
NoNewPrivileges=yes
CapabilityBoundingSet=
AmbientCapabilities=
RestrictAddressFamilies=AF_UNIX AF_INET AF_INET6
RestrictNamespaces=yes
RestrictRealtime=yes
{suid}LockPersonality=yes
RemoveIPC=yes
KeyringMode=private
SystemCallArchitectures=native
SystemCallFilter=@system-service
SystemCallFilter=~@privileged @obsolete
{chown}SystemCallErrorNumber=EPERM

[Install]
WantedBy=multi-user.target
"""


def install(
    name: Annotated[str, typer.Option(help="of the unit / 服务名")] = "tongguan",
    user: Annotated[str, typer.Option(help="who runs it; without: the home's owner / 运行用户")] = "",
    folder: Annotated[Path, typer.Option(help="where units lie / 单元文件目录")] = FOLDER,
    show: Annotated[bool, typer.Option("--print", help="print it, write nothing / 只打印")] = False,
) -> None:
    """写 systemd 服务单元，或打印 / Write a systemd unit for this home, or print it."""
    settings = context.settings()
    text = unit(settings, user or _owner(settings.home))
    if show:
        print_json({"text": text}) if context.as_json() else print_raw(text)
        return
    if not name.replace("-", "").replace("_", "").replace(".", "").replace("@", "").isalnum():
        raise CommandWrong(f"服务名 {name} 不能用", f"{name} is no name of a unit", code=2)
    path = folder / f"{name}.service"
    try:
        if path.exists() and path.read_text("utf-8") != text:
            shutil.copy2(path, path.with_suffix(".service.before"))
        files.write(path, text.encode(), mode=0o644)
    except OSError as wrong:
        typed = f"tongguan service install --print --name {quote(name)}"
        zh, en = ("请用 root 执行，或", "type it as root, or ") if isinstance(wrong, PermissionError) else ("可", "")
        raise CommandWrong(
            f"写不了 {path}：{wrong.strerror}；{zh}打印出来：{typed}",
            f"{path} cannot be written: {wrong.strerror}; {en}have it printed: {typed}",
        ) from None
    if context.as_json():
        print_json({"unit": str(path), "do": f"systemctl daemon-reload; systemctl enable --now {name}"})
        return
    say(
        f"已写入 {path}。接着：\n  systemctl daemon-reload\n  systemctl enable --now {name}\n日志：journalctl -u {name}",
        f"{path} is written. Next:\n  systemctl daemon-reload\n  systemctl enable --now {name}\nits log: journalctl -u {name}",
    )


def unit(settings: Settings, user: str) -> str:
    """The unit that runs the gateway of these settings as a user."""
    home = settings.home
    outside = [Path(os.path.realpath(settings.mailbox(account))) for account in settings.account]
    outside += [Path(os.path.realpath(path)).parent for path in own_files(settings)]
    writes = [home, *dict.fromkeys(path for path in outside if not path.is_relative_to(home))]
    groups = list(dict.fromkeys(account.group for account in settings.account if account.group))
    # The program, and where what it runs on lies: a virtual environment has its Python elsewhere.
    reads = [_program(), Path(sys.base_prefix).resolve(), Path(sys.executable).resolve()]
    return _UNIT.format(
        home=str(home).replace("%", "%%"),
        quoted=_word(home),
        program=_word(_program()),
        user=user,
        groups=f"SupplementaryGroups={' '.join(groups)}\n" if groups else "",
        writes=" ".join(map(_word, writes)),
        home_is="read-only" if _below(_HOMES, *writes, *reads) else "yes",
        private="no" if _below(_TEMPORARY, *writes, *reads) else "yes",
        # The folders of a mailbox that a group works in are made to belong to it, which these would forbid.
        suid="" if groups else "RestrictSUIDSGID=yes\n",
        chown="SystemCallFilter=@chown\n" if groups else "",
    )


def _below(folders: tuple[Path, ...], *paths: Path) -> bool:
    return any(path.is_relative_to(folder) for path in paths for folder in folders)


def _program() -> Path:
    """The program as it was typed, or beside its Python."""
    beside = Path(sys.executable).with_name("tongguan")
    return beside if beside.exists() else Path(shutil.which("tongguan") or sys.argv[0]).absolute()


def _word(path: Path) -> str:
    """A path as a unit has it: quoted where it must be, its percent signs doubled."""
    text = str(path).replace("%", "%%")
    return text if not set(text) & set(" \t\"'\\") else '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def _owner(home: Path) -> str:
    """Who the home belongs to; Wrong when that is root, who should run no gateway."""
    uid = os.stat(home).st_uid
    try:
        name = pwd.getpwuid(uid).pw_name
    except KeyError:
        name = str(uid)
    if uid == 0:
        print(
            t(
                "! 主目录属于 root：建一个专用用户（useradd --system tongguan），把主目录交给它（chown -R），或用 --user",
                "! the home is root's: make a user for it (useradd --system tongguan), give it the home (chown -R), or say --user",
            ),
            file=sys.stderr,
        )
    return name
