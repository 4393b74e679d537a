"""To whom routes encrypt: the certificates that `encrypt_to` and `secrets_to` of the settings name."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from cryptography import x509

from tongguan.gateway.model.errors import SettingsWrong
from tongguan.gateway.profile.source import Complaints
from tongguan.gateway.settings import Settings
from tongguan.gateway.system.storage import files
from tongguan.signer.envelope import RecipientWrong, recipient

RecipientFile = tuple[str, str, str]  #: route, key of the settings, file


def named(settings: Settings) -> Iterator[RecipientFile]:
    """Every certificate for encryption that a route's settings name."""
    for name, route in settings.route.items():
        for key, file in (("encrypt_to", route.encrypt_to), ("secrets_to", route.secrets_to)):
            if file:
                yield name, key, file


def read_recipient(settings: Settings, one: RecipientFile) -> x509.Certificate:
    """Read one of them; SettingsWrong, with what to do, when nothing can ever be encrypted to it."""
    name, key, file = one
    path = settings.path(file)
    try:
        return recipient(files.read(path))
    except OSError as wrong:
        why, zh = (
            f"{wrong.strerror}; put the authority's encryption certificate there, such that the gateway's user may read it",
            f"{wrong.strerror}；请放入主管部门的加密证书，并让网关的用户可读",
        )
    except RecipientWrong as wrong:
        why, zh = wrong.en, wrong.zh
    raise SettingsWrong(f"route.{name}.{key}：{path}：{zh}", f"route.{name}.{key}: {path}: {why}")


def recipients(settings: Settings) -> tuple[Mapping[str, x509.Certificate], Mapping[str, x509.Certificate]]:
    """By route: who reads what is sent, and who reads single secret values; the first also where only he is named."""
    read: dict[str, dict[str, x509.Certificate]] = {"encrypt_to": {}, "secrets_to": {}}
    wrong = Complaints()
    for one in named(settings):
        name, key, _ = one
        with wrong.look():
            read[key][name] = read_recipient(settings, one)
    wrong.end()
    return read["encrypt_to"], {**read["encrypt_to"], **read["secrets_to"]}
