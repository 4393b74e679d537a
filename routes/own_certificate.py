"""The certificate by which we are known to a server, and its key: loaded, or told what is wrong with which file.

OpenSSL says "PEM lib" of nearly all of it. Nobody is ever asked for a password, and nothing of a key is told.
"""

from __future__ import annotations

import ssl
from pathlib import Path
from shlex import quote

from tongguan.gateway.model.errors import SettingsWrong
from tongguan.gateway.system.storage import files


def load_own(context: ssl.SSLContext, certificate: Path, key: Path | None) -> None:
    """Have TLS use a certificate; the key stands in its file, too, where no other is named. SettingsWrong says what keeps it from that."""
    try:
        # An empty password makes an encrypted key fail here instead of asking on the terminal.
        context.load_cert_chain(files.plain(certificate), files.plain(key) if key else None, password="")
    except files.NotAFile:
        raise
    except OSError as wrong:  # of which ssl.SSLError is one
        raise _what_is_wrong(certificate, key or certificate, wrong) from None


def _what_is_wrong(certificate: Path, key: Path, wrong: OSError) -> SettingsWrong:
    raw = b""
    for path, mark, zh, en in (
        (certificate, b"CERTIFICATE", "证书", "certificate"),
        (key, b"PRIVATE KEY", "私钥", "private key"),
    ):
        try:
            raw = files.read(path)
        except OSError as failed:
            return SettingsWrong(f"{path} 读不出：{failed.strerror}", f"{path} cannot be read: {failed.strerror}")
        if mark + b"-----" not in raw:
            return SettingsWrong(f"{path} 中没有 PEM 格式的{zh}", f"{path} holds no {en} in PEM")
    if b"ENCRYPTED" in raw:
        do = f"openssl pkey -in {quote(str(key))} -out {quote(f'{key}.open')}"
        return SettingsWrong(
            f"{key} 有密码，而网关不会询问；请去掉密码：{do}",
            f"{key} has a password, for which the gateway asks nobody; take it off: {do}",
        )
    if "KEY_VALUES_MISMATCH" in str(wrong):
        return SettingsWrong(f"{key} 不是 {certificate} 的私钥", f"{key} is not the key of {certificate}")
    both = " ".join(dict.fromkeys([str(certificate), str(key)]))
    return SettingsWrong(f"{both}：{wrong}", f"{both}: {wrong}")
