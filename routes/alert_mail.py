"""Alerts by mail: one message over SMTP, with TLS, its certificate checked."""

from __future__ import annotations

import smtplib
import ssl
from collections.abc import Sequence
from email.message import EmailMessage
from email.utils import format_datetime, make_msgid
from pathlib import Path

from tongguan.gateway.model.errors import SettingsWrong
from tongguan.gateway.settings import AlertMail
from tongguan.gateway.system import clock
from tongguan.routes import trust

_PORTS = {"starttls": 587, "tls": 465, "none": 25}


class MailRefused(Exception):
    """The mail server does not take it; the text says at which step, and why."""


class MailServer:
    """A server that takes mail for the people on duty; SettingsWrong for settings that cannot be used."""

    def __init__(self, settings: AlertMail, environment: str, home: Path) -> None:
        self._settings, self._where = settings, f"alerts.mail.{settings.name}"
        if settings.tls == "none" and environment != "test" and not trust.is_this_machine(settings.host):
            zh, en = (
                "只用于测试环境和本机；请用 starttls 或 tls",
                "is only for test environments and this machine; use starttls or tls",
            )
            raise SettingsWrong(f'{self._where}.tls = "none" {zh}', f'{self._where}.tls = "none" {en}')
        if settings.password and not settings.user:
            raise SettingsWrong(f"{self._where} 有 password 而没有 user", f"{self._where} has a password and no user")
        self._password = trust.secret(f"{self._where}.password", settings.password, home)
        self._tls = trust.client_tls(f"{self._where}.ca", settings.ca, home)

    def send(self, subject: str, text: str) -> None:
        """Hand one mail over; MailRefused when it is not taken, for one of the receivers or for all."""
        mail = EmailMessage()
        mail["Subject"] = " ".join(subject.split())[:200]
        mail["From"], mail["To"] = self._settings.sender, ", ".join(self._settings.to)
        mail["Date"], mail["Message-ID"] = format_datetime(clock.now()), make_msgid(domain="tongguan")
        mail["Auto-Submitted"] = "auto-generated"
        mail.set_content(text)
        try:
            with self._connected() as server:
                if self._settings.user:
                    server.login(self._settings.user, self._password)
                refused = server.send_message(mail, self._settings.sender, list(self._settings.to))
        except ssl.SSLError as wrong:
            raise MailRefused(f"TLS: {wrong.reason or wrong}") from None
        except smtplib.SMTPResponseException as wrong:
            raise MailRefused(f"{wrong.smtp_code} {_text(wrong.smtp_error)}") from None
        except smtplib.SMTPRecipientsRefused as wrong:
            raise MailRefused(_refusals(wrong.recipients)) from None
        except (smtplib.SMTPException, OSError) as wrong:
            raise MailRefused(f"{self._settings.host}: {wrong or type(wrong).__name__}") from None
        if refused:
            raise MailRefused(_refusals(refused))

    def _connected(self) -> smtplib.SMTP:
        seconds, of = self._settings.timeout.total_seconds(), self._settings
        port = of.port or _PORTS[of.tls]
        if of.tls == "tls":
            return smtplib.SMTP_SSL(of.host, port, timeout=seconds, context=self._tls)
        server = smtplib.SMTP(of.host, port, timeout=seconds)
        try:
            if of.tls == "starttls":
                server.starttls(context=self._tls)
        except BaseException:
            server.close()
            raise
        return server


def _text(said: bytes | str) -> str:
    return said.decode("utf-8", "replace") if isinstance(said, bytes) else said


def _refusals(refused: dict[str, tuple[int, bytes]]) -> str:
    told: Sequence[str] = [f"{who}: {code} {_text(said)}" for who, (code, said) in refused.items()]
    return "; ".join(told)
