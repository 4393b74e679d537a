"""PINs are found where the settings say and shown nowhere."""

import copy
import pickle

import pytest

from tongguan.signer.cards.pin import MOST_BYTES, Secret, pin_of, read_pin
from tongguan.signer.errors import PinNeeded, PinUnfit


def test_a_pin_is_read_from_a_file_in_the_home_without_its_line_end(tmp_path):
    (tmp_path / "pin").write_text("2468\r\n")

    assert read_pin("file:pin", tmp_path).reveal() == "2468"


def test_a_pin_is_read_from_the_environment(tmp_path, monkeypatch):
    monkeypatch.setenv("CARD_PIN", "2468")

    assert read_pin("env:CARD_PIN", tmp_path).reveal() == "2468"


@pytest.mark.parametrize("reference", ["prompt", "file:nowhere", "file:.", "env:NOT_SET_ANYWHERE"])
def test_where_there_is_none_a_person_is_needed(reference, tmp_path):
    with pytest.raises(PinNeeded):
        read_pin(reference, tmp_path)


@pytest.mark.parametrize("reference", ["", "2468", "file:", "env:", "pin:2468"])
def test_anything_else_is_refused_without_being_shown(reference, tmp_path):
    with pytest.raises(PinNeeded, match="file:PATH, env:NAME or prompt") as caught:
        read_pin(reference, tmp_path)

    assert "2468" not in str(caught.value)


def test_a_secret_shows_nothing_and_is_not_written_anywhere():
    secret = Secret("2468")

    assert "2468" not in f"{secret} {secret!r} {[secret]}"
    for write in (pickle.dumps, copy.copy):
        with pytest.raises(TypeError):
            write(secret)


WRITTEN = {
    "line end": b"24680000\n",
    "windows line end": b"24680000\r\n",
    "old mac line end": b"24680000\r",
    "white space round it": b" \t24680000 \n\n",
    "mark of UTF-8": b"\xef\xbb\xbf24680000\n",
    "UTF-16 little": "\ufeff24680000\r\n".encode("utf-16-le"),
    "UTF-16 big": "\ufeff24680000\n".encode("utf-16-be"),
}


@pytest.mark.parametrize("raw", WRITTEN.values(), ids=WRITTEN)
def test_what_editors_put_round_a_pin_is_no_part_of_it(raw, tmp_path):
    (tmp_path / "pin").write_bytes(raw)

    assert read_pin("file:pin", tmp_path).reveal() == "24680000"


UNFIT = {
    "nothing": b"",
    "a line end": b"\r\n",
    "white space": " \t\u3000\u00a0\n".encode(),
    "only a mark": b"\xef\xbb\xbf\n",
    "two lines": b"2468\n1357\n",
    "two lines of an old mac": b"2468\r1357",
    "full width digits": "２４６８".encode(),
    "a zero width space": "24\u200b68".encode(),
    "letters with marks": "pässword".encode(),
    "a NUL": b"2468\x00",
    "UTF-16 without a mark": "2468".encode("utf-16-le"),
    "a space inside": b"24 68",
    "an escape": b"24\x1b[A68",
    "no text": b"\xff\xfe2468\xd8",
    "GBK": "密码".encode("gbk"),
    "another file": b"7" * (MOST_BYTES + 1),
}


@pytest.mark.parametrize("raw", UNFIT.values(), ids=UNFIT)
def test_what_no_card_can_take_is_no_pin(raw, tmp_path):
    (tmp_path / "pin").write_bytes(raw)

    with pytest.raises(PinUnfit) as caught:
        read_pin("file:pin", tmp_path)
    assert caught.value.zh
    assert not any(part in f"{caught.value} {caught.value.zh}" for part in ("2468", "1357", "pässword", "77777"))


@pytest.mark.parametrize("text", ["", " ", "\ufeff", "２４６８", "24\x0068", "1\n2"])
def test_the_same_holds_for_what_is_typed_or_stands_in_the_environment(text, monkeypatch, tmp_path):
    with pytest.raises(PinUnfit):
        pin_of(text)
    if "\x00" not in text:
        monkeypatch.setenv("CARD_PIN", text)
        with pytest.raises(PinUnfit):
            read_pin("env:CARD_PIN", tmp_path)
