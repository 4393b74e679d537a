"""Which ways alerts take to people, as the settings name them."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from importlib.resources import files
from pathlib import Path

from tongguan.gateway.model.errors import each_of
from tongguan.gateway.model.ids import new_id
from tongguan.gateway.settings import AlertCommand, AlertMail, AlertWebhook, Settings
from tongguan.outbox.alert_channels import (
    AlertChannel,
    AlertDigest,
    AlertNotSent,
    AlertSender,
    ChannelSettings,
    CommandSender,
)
from tongguan.outbox.alerts import AlertNotice, Alerts
from tongguan.routes.alert_mail import MailRefused, MailServer
from tongguan.routes.alert_webhook import WebhookReceiver, WebhookRefused
from tongguan.routes.event_loop import EventLoop

OWN_FORMS = "alert-forms"  #: a home's own forms of webhooks


class _MailSender:
    def __init__(self, server: MailServer) -> None:
        self._server = server

    def send(self, digest: AlertDigest) -> None:
        try:
            self._server.send(digest.subject, digest.text)
        except MailRefused as refused:
            raise AlertNotSent(str(refused)) from None


class _WebhookSender:
    def __init__(self, receiver: WebhookReceiver) -> None:
        self._receiver = receiver

    def send(self, digest: AlertDigest) -> None:
        words = {"subject": digest.subject, "text": digest.text, "alerts": digest.facts}
        try:
            self._receiver.post(words, key=new_id())
        except WebhookRefused as refused:
            raise AlertNotSent(*each_of(str(refused))) from None


def make_sender(channel: ChannelSettings, settings: Settings, wire: EventLoop) -> AlertSender:
    """The way of these settings; SettingsWrong when they cannot be used."""
    environment, home = settings.gateway.environment, settings.home
    match channel:
        case AlertMail():
            return _MailSender(MailServer(channel, environment, home))
        case AlertWebhook():
            forms = [home / OWN_FORMS, Path(str(files("tongguan.outbox") / "alert_forms"))]
            return _WebhookSender(WebhookReceiver(channel, environment, home, wire, forms))
        case AlertCommand():
            return CommandSender(channel, home)


def digest(settings: Settings, notices: Sequence[AlertNotice], more: int = 0) -> AlertDigest:
    return AlertDigest(notices, more, settings.gateway.environment, settings.home, settings.gateway.language)


def make_channels(settings: Settings, alerts: Alerts, wire: EventLoop) -> list[AlertChannel]:
    """Every way of the settings; SettingsWrong when one of them cannot be used."""
    make = partial(digest, settings)
    return [AlertChannel(each, make_sender(each, settings, wire), alerts, make) for each in settings.alerts.channels]
