"""PINs are found where the settings say and shown nowhere."""

import copy
import pickle

import pytest

from tongguan.signer.errors import PinNeeded
from tongguan.signer.pin import Secret, read_pin


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
    with pytest.raises(ValueError, match="file:PATH, env:NAME or prompt") as caught:
        read_pin(reference, tmp_path)

    assert "2468" not in str(caught.value)


def test_a_secret_shows_nothing_and_is_not_written_anywhere():
    secret = Secret("2468")

    assert "2468" not in f"{secret} {secret!r} {[secret]}"
    for write in (pickle.dumps, copy.copy):
        with pytest.raises(TypeError):
            write(secret)
