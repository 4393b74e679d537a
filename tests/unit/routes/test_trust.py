"""How a route shows who it is, whom it trusts, and what it refuses to begin with."""

from __future__ import annotations

import pytest
from cryptography.hazmat.primitives import serialization

from tongguan.gateway.model.errors import SettingsWrong
from tongguan.routes.https import HttpsRoute


@pytest.mark.parametrize(
    "url",
    [
        "",
        "customs.example",
        "ftp://customs.example",
        "https://",
        "https://me:you@customs.example",
        "https://a.example/?x=1",
        "https://a.example/#x",
        "https://customs.example:0",
        "https://customs.example:65536",
        "https://customs.example:８７０２",
        "https：//customs.example",
        "https://ｃustoms.example",
        "https://customs。example",
    ],
)
def test_an_address_that_is_none_is_refused(new_route, url):
    with pytest.raises(SettingsWrong, match=r"route\.customs\.url"):
        new_route(url)


@pytest.mark.requirement("GW-08")
def test_a_port_that_there_is_not_and_a_full_width_letter_are_told_in_both_languages(new_route):
    for url, zh, en in (
        ("https://customs.example:0", "端口不是 1 至 65535", "its port is none of 1 to 65535"),
        ("https://customs.example:99999", "端口不是 1 至 65535", "Port out of range"),
        ("https://customs.example:８７０２", "８ 是全角字符", "８ is a full-width character"),
    ):
        with pytest.raises(SettingsWrong) as told:
            new_route(url)
        assert zh in told.value.zh and en in told.value.en


def test_production_speaks_plain_http_only_to_this_machine(new_route):
    for host in ("localhost", "127.0.0.1", "127.8.8.8", "[::1]"):
        new_route(f"http://{host}:8702", environment="production")

    for host in ("customs.example", "10.0.0.1", "127.0.0.1.example"):
        with pytest.raises(SettingsWrong, match="use https"):
            new_route(f"http://{host}", environment="production")


def test_a_token_comes_from_a_file_or_the_environment(new_route, monkeypatch, tmp_path):
    monkeypatch.setenv("CUSTOMS_TOKEN", "abc")
    (tmp_path / "token").write_text("abc\n")

    new_route("https://customs.example", token="env:CUSTOMS_TOKEN")
    new_route("https://customs.example", token="file:token")


@pytest.mark.parametrize("token", ["abc", "env:NO_SUCH_NAME", "file:no-such-file", "env:EMPTY", "env:BROKEN", "file:binary"])
def test_a_token_that_cannot_be_read_is_refused_without_being_shown(new_route, monkeypatch, tmp_path, token):
    monkeypatch.setenv("EMPTY", " ")
    monkeypatch.setenv("BROKEN", "hush\nhush")
    (tmp_path / "binary").write_bytes(b"hush\xff")

    with pytest.raises(SettingsWrong, match=r"route\.customs\.token") as wrong:
        new_route("https://customs.example", token=token)

    assert "hush" not in str(wrong.value)
    assert "abc" not in str(wrong.value)


@pytest.mark.parametrize("setting", ["ca", "client_certificate"])
@pytest.mark.parametrize("content", [None, b"no certificate"])
def test_files_that_are_no_certificates_are_refused(new_route, tmp_path, setting, content):
    if content is not None:
        (tmp_path / "file.pem").write_bytes(content)

    with pytest.raises(SettingsWrong, match=rf"route\.customs\.{setting}"):
        new_route("https://customs.example", **{setting: "file.pem"})


def test_what_is_wrong_with_our_certificate_or_its_key_is_told_by_its_file_in_both_languages(new_route, authority, tmp_path):
    """OpenSSL alone says "PEM lib" of all but one of these."""
    ours, anothers = (authority.issue(name).read_bytes() for name in ("ours", "anothers"))
    certificate, key = ours[: ours.index(b"-----BEGIN PRIVATE")], ours[ours.index(b"-----BEGIN PRIVATE") :]
    locked = serialization.load_pem_private_key(key, None).private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.BestAvailableEncryption(b"hush")
    )
    for in_certificate, in_key, zh, en in (
        (certificate, None, "c.pem 中没有 PEM 格式的私钥", "c.pem holds no private key in PEM"),
        (key, certificate, "c.pem 中没有 PEM 格式的证书", "c.pem holds no certificate in PEM"),
        (certificate, b"", "c.key 中没有 PEM 格式的私钥", "c.key holds no private key in PEM"),
        (certificate, anothers[anothers.index(b"-----BEGIN PRIVATE") :], "c.pem 的私钥", "c.key is not the key of"),
        (certificate, locked, "c.key 有密码", "c.key has a password, for which the gateway asks nobody"),
    ):
        (tmp_path / "c.pem").write_bytes(in_certificate)
        (tmp_path / "c.key").write_bytes(in_key or b"")
        given = {} if in_key is None else {"client_key": "c.key"}
        with pytest.raises(SettingsWrong) as wrong:
            new_route("https://customs.example", client_certificate="c.pem", **given)

        assert zh in wrong.value.zh and en in wrong.value.en
        assert str(tmp_path) in wrong.value.en and "PEM lib" not in wrong.value.en


def test_an_endpoint_of_another_authority_is_sent_nothing(new_route, tls_endpoint):
    reply = new_route(f"https://127.0.0.1:{tls_endpoint.port}").send_many([("1-1", b"x")])[0]

    assert reply.kind == "later"
    assert tls_endpoint.stored == {}


@pytest.mark.usefixtures("strict_defaults")
def test_a_ca_of_before_the_extensions_that_python_asks_for_since_3_13_may_vouch(new_route, tls_endpoint, authority, tmp_path):
    for file in (authority.folder / "ca.pem", authority.issue("enterprise")):
        (tmp_path / file.name).write_bytes(file.read_bytes())
    route = new_route(f"https://127.0.0.1:{tls_endpoint.port}", ca="ca.pem", client_certificate="enterprise.pem")

    reply = route.send_many([("1-1", b"x")])[0]

    assert (reply.kind, len(tls_endpoint.stored)) == ("receipt", 1)


def test_an_endpoint_of_another_name_is_sent_nothing(new_route, tls_endpoint, authority, tmp_path):
    (tmp_path / "ca.pem").write_bytes((authority.folder / "ca.pem").read_bytes())

    reply = new_route(f"https://localhost:{tls_endpoint.port}", ca="ca.pem").send_many([("1-1", b"x")])[0]

    assert reply.kind == "later"
    assert tls_endpoint.stored == {}


def test_without_our_certificate_nothing_is_taken(new_route, tls_endpoint, authority, tmp_path):
    (tmp_path / "ca.pem").write_bytes((authority.folder / "ca.pem").read_bytes())

    reply = new_route(f"https://127.0.0.1:{tls_endpoint.port}", ca="ca.pem").send_many([("1-1", b"x")])[0]

    assert reply.kind in ("later", "lost")
    assert tls_endpoint.stored == {}


def test_a_token_is_not_in_what_a_route_says_of_itself(new_route, monkeypatch):
    monkeypatch.setenv("CUSTOMS_TOKEN", "s3cr3t")

    route = new_route("http://127.0.0.1:9", token="env:CUSTOMS_TOKEN")

    assert isinstance(route, HttpsRoute)
    assert "s3cr3t" not in repr(route) + repr(route.send_many([("1-1", b"x")]))
