"""A PKCS#11 card under load, taken away, given a wrong PIN, swapped, hanging and killed."""

import os
import shutil
import signal
import subprocess
import sys
import threading
import time
import traceback
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime
from hashlib import sha256

import pytest
from cryptography import x509
from patience import here, wait_until

from tongguan.signer.cards.card import PinState, Tries, open_card
from tongguan.signer.cards.module import find_module, surroundings
from tongguan.signer.cards.pin import Secret
from tongguan.signer.cards.token import TokenCard
from tongguan.signer.certificate import der_chain, is_signature, signing_key
from tongguan.signer.errors import CardAbsent, CardBroken, CardMismatch, PinNeeded, PinUnfit, PinWrong
from tongguan.signer.issue import KeyType, NewToken, Validity, make_software_card, make_token, set_up_token
from tongguan.signer.verify import TrustedCertificate, verify
from tongguan.signer.xml_signature import prepare

pytestmark = pytest.mark.needs_token

VALID = Validity(datetime(2026, 1, 1, tzinfo=UTC))
KEY_TYPES: tuple[KeyType, ...] = ("rsa-2048", "p-256")


@pytest.fixture
def opened():
    """Close each card that a test opens."""
    cards = []

    def keep(card):
        cards.append(card)
        return card

    yield keep
    for card in cards:
        card.close()


def digests(count):
    return [sha256(str(number).encode()).digest() for number in range(count)]


def key_of(card):
    return signing_key(x509.load_der_x509_certificate(card.certificate_chain[0]))


def assert_signs(card, count=3):
    asked = digests(count)
    key = key_of(card)

    assert all(is_signature(key, *pair) for pair in zip(card.sign(asked), asked, strict=True))


def refused(card, error):
    with pytest.raises(error) as caught:
        card.sign(digests(1))
    return caught.value


def until(true):
    wait_until(true, "what other threads and processes bring about")


@pytest.mark.parametrize("key_type", KEY_TYPES)
def test_64_documents_signed_by_8_threads_at_once_keep_their_own_content(key_type, token_home, opened, now):
    card = opened(open_card(token_home.labelled(key_type), token_home.folder))
    bodies = [f"<Package><no>{number}</no></Package>".encode() for number in range(64)]

    def sign(mine):
        prepared = [prepare(body, card.algorithm) for body in mine]
        signatures = card.sign([each.signed_info_digest for each in prepared])
        return [each.complete(raw, card.certificate_chain) for each, raw in zip(prepared, signatures, strict=True)]

    with ThreadPoolExecutor(8) as threads:
        groups = list(threads.map(sign, [bodies[start : start + 4] for start in range(0, 64, 4)]))
    trusted = [TrustedCertificate(x509.load_der_x509_certificate(card.certificate_chain[0]))]
    texts = [verify(document, trusted, now).root.findtext("no") for group in groups for document in group]

    assert [str(number) for number in range(64)] == texts


def test_the_card_tells_number_algorithm_and_chain_without_its_pin(token_home, opened):
    card = opened(TokenCard(token_home.other(pin="prompt"), token_home.folder, program=token_home.spy("")))

    assert (card.number, card.algorithm, len(card.certificate_chain)) == ("8900000000017", "rsa-sha256", 2)
    assert token_home.logins() == 0


def test_probe_tells_presence_pin_tries_and_validity(token_home, opened):
    card = opened(open_card(token_home.settings, token_home.folder))
    before = card.probe()
    card.sign(digests(1))
    after = card.probe()
    token_home.tokens.rename(token_home.folder / "away")

    assert (before.present, before.pin, before.tries, before.number) == (True, PinState.UNTRIED, Tries.ALL, "8900000000017")
    assert before.valid_from is not None and before.valid_until is not None and before.valid_from < before.valid_until
    assert after.pin is PinState.GOOD
    assert (card.probe().present, card.probe().bound) == (False, "8900000000017")


def test_a_card_taken_away_under_load_and_put_back_works_again_by_itself(token_home, opened):
    card = opened(open_card(token_home.settings, token_home.folder))
    key, stop = key_of(card), threading.Event()
    good, absent, wrong = [], [], []

    def work(seed):
        count = 0
        while not stop.is_set():
            count += 1
            digest = sha256(f"{seed}-{count}".encode()).digest()
            try:
                (good if is_signature(key, card.sign([digest])[0], digest) else wrong).append(digest)
            except CardAbsent:
                absent.append(digest)
                time.sleep(0.01)
            except Exception as error:
                wrong.append(error)

    threads = [threading.Thread(target=work, args=(seed,)) for seed in range(8)]
    for thread in threads:
        thread.start()
    for _ in range(3):
        enough = len(good) + 20
        until(lambda enough=enough: len(good) >= enough)
        token_home.tokens.rename(token_home.folder / "away")
        gone = len(absent) + 8
        until(lambda gone=gone: len(absent) >= gone)
        (token_home.folder / "away").rename(token_home.tokens)
    enough = len(good) + 20
    until(lambda: len(good) >= enough)
    stop.set()
    for thread in threads:
        thread.join()

    assert wrong == []


def test_a_card_that_was_never_there_works_once_it_comes(token_home, opened):
    token_home.tokens.rename(token_home.folder / "away")
    card = opened(open_card(token_home.settings, token_home.folder))
    refused(card, CardAbsent)
    (token_home.folder / "away").rename(token_home.tokens)

    assert_signs(card)


def test_a_wrong_pin_is_tried_once_however_many_ask(token_home, opened):
    card = opened(TokenCard(token_home.with_pin("99999999"), token_home.folder, program=token_home.spy("")))
    with ThreadPoolExecutor(8) as threads:
        answers = list(threads.map(lambda _: refused(card, PinWrong), range(32)))

    assert len(answers) == 32
    assert token_home.logins() == 1
    assert (card.probe().pin, card.probe().tries) == (PinState.WRONG, Tries.FEWER)


def test_after_a_wrong_pin_a_person_opens_the_card_with_one_more_try(token_home, opened):
    card = opened(TokenCard(token_home.with_pin("99999999"), token_home.folder, program=token_home.spy("")))
    refused(card, PinWrong)
    with pytest.raises(PinWrong):
        card.give_pin(Secret("88888888"))
    refused(card, PinWrong)
    card.give_pin(Secret(token_home.pin))

    assert_signs(card)
    assert token_home.logins() == 3


def test_a_new_pin_in_the_file_alone_does_not_open_the_card(token_home, opened):
    card = opened(TokenCard(token_home.with_pin("99999999"), token_home.folder, program=token_home.spy("")))
    refused(card, PinWrong)
    token_home.with_pin(token_home.pin)
    refused(card, PinWrong)

    assert token_home.logins() == 1


def test_a_card_that_starts_locked_is_not_tried(token_home, opened):
    card = opened(TokenCard(token_home.settings, token_home.folder, locked=True, program=token_home.spy("")))
    refused(card, PinWrong)

    assert token_home.logins() == 0
    assert card.probe().pin is PinState.WRONG
    card.give_pin(Secret(token_home.pin))
    assert_signs(card)


@pytest.mark.parametrize("content", ["", "\n", "123", "7" * 300, "２４６８２４６８", "2468\x00"])
def test_what_cannot_be_the_tokens_pin_costs_no_try(token_home, opened, content):
    card = opened(TokenCard(token_home.with_pin(content), token_home.folder, program=token_home.spy("")))
    refused(card, PinUnfit)
    with pytest.raises(PinUnfit):
        card.give_pin(Secret(content))

    assert token_home.logins() == 0
    assert (card.probe().pin, card.probe().tries) == (PinState.UNTRIED, Tries.ALL)
    token_home.with_pin(token_home.pin)
    assert_signs(card)


def test_a_pin_file_with_a_mark_of_its_editor_opens_the_card(token_home, opened):
    settings = token_home.with_pin("\ufeff" + token_home.pin + "\r\n")

    assert_signs(opened(TokenCard(settings, token_home.folder, program=token_home.spy(""))))


def test_what_a_person_gives_that_cannot_be_a_pin_leaves_the_good_one_in_use(token_home, opened):
    card = opened(TokenCard(token_home.settings, token_home.folder, program=token_home.spy("")))
    card.sign(digests(1))
    for given in ("", "\r", "12", "pässword"):
        with pytest.raises(PinUnfit):
            card.give_pin(Secret(given))

    assert_signs(card)
    assert token_home.logins() == 1


def test_a_right_pin_is_used_once_for_many_signatures(token_home, opened):
    card = opened(TokenCard(token_home.settings, token_home.folder, program=token_home.spy("")))
    with ThreadPoolExecutor(8) as threads:
        list(threads.map(lambda _: card.sign(digests(2)), range(32)))

    assert token_home.logins() == 1


def flagged(flag):
    return (
        "def info(self, slot):\n"
        "    told = real_info(self, slot)\n"
        f"    told.flags |= PyKCS11.{flag}\n"
        "    return told\n"
        "PyKCS11.PyKCS11Lib.getTokenInfo = info\n"
    )


def test_the_last_try_is_left_to_a_person(token_home, opened):
    program = token_home.spy(flagged("CKF_USER_PIN_FINAL_TRY"))
    card = opened(TokenCard(token_home.settings, token_home.folder, program=program))

    assert refused(card, PinWrong).tries_left == 1
    assert token_home.logins() == 0
    card.give_pin(Secret(token_home.pin))
    assert_signs(card)


def test_a_blocked_card_is_never_tried(token_home, opened):
    program = token_home.spy(flagged("CKF_USER_PIN_LOCKED"))
    card = opened(TokenCard(token_home.settings, token_home.folder, program=program))

    assert refused(card, PinWrong).tries_left == 0
    with pytest.raises(PinWrong):
        card.give_pin(Secret(token_home.pin))
    assert (token_home.logins(), card.probe().tries) == (0, Tries.BLOCKED)


def test_a_pin_whose_answer_was_lost_is_not_tried_again(token_home, opened):
    patch = (
        "def dying(self, pin, *more):\n"
        "    login(self, pin, *more)\n"
        "    if not os.path.exists(mark):\n"
        "        open(mark, 'w').close()\n"
        "        os._exit(9)\n"
        "PyKCS11.Session.login = dying\n"
    )
    card = opened(TokenCard(token_home.settings, token_home.folder, program=token_home.spy(patch)))
    refused(card, CardBroken)
    refused(card, PinNeeded)

    assert token_home.logins() == 1
    card.give_pin(Secret(token_home.pin))
    assert_signs(card)


def test_prompt_waits_for_a_person(token_home, opened):
    card = opened(open_card(token_home.other(pin="prompt"), token_home.folder))
    refused(card, PinNeeded)

    assert card.probe().pin is PinState.NEEDED
    card.give_pin(Secret(token_home.pin))
    assert_signs(card)


def test_a_pin_file_that_comes_later_is_read_then(token_home, opened):
    (token_home.folder / "card.pin").rename(token_home.folder / "away.pin")
    card = opened(open_card(token_home.settings, token_home.folder))
    refused(card, PinNeeded)
    (token_home.folder / "away.pin").rename(token_home.folder / "card.pin")

    assert_signs(card)


def test_a_process_killed_in_the_middle_costs_one_error_and_the_next_signature_works(token_home, opened):
    card = opened(TokenCard(token_home.settings, token_home.folder, program=token_home.spy("")))
    card.sign(digests(1))
    with ThreadPoolExecutor(4) as threads:
        os.kill(card._channel.pid, signal.SIGSTOP)  # however fast it is, it does not finish before it is killed
        running = [threads.submit(card.sign, digests(400)) for _ in range(4)]
        until(lambda: card.silent_seconds > 0.1)
        os.kill(card._channel.pid, signal.SIGKILL)
        errors = [each.exception() for each in running]

    assert any(isinstance(error, CardBroken) for error in errors)
    assert all(error is None or isinstance(error, CardBroken) for error in errors)
    assert_signs(card)
    assert token_home.logins() == 2


def test_a_card_that_hangs_is_given_up_and_started_anew(token_home, opened):
    patch = (
        "def hanging(self, *all):\n"
        "    if not os.path.exists(mark):\n"
        "        open(mark, 'w').close()\n"
        "        time.sleep(60)\n"
        "    return real_sign(self, *all)\n"
        "PyKCS11.Session.sign = hanging\n"
    )
    card = opened(TokenCard(token_home.settings, token_home.folder, program=token_home.spy(patch), timeout=here(1.0)))
    started = time.monotonic()
    refused(card, CardBroken)

    assert time.monotonic() - started < here(10)
    assert_signs(card)


def test_a_slow_card_is_no_hanging_card(token_home, opened):
    patch = "def slow(self, *all):\n    time.sleep(0.3)\n    return real_sign(self, *all)\nPyKCS11.Session.sign = slow\n"
    card = opened(TokenCard(token_home.settings, token_home.folder, program=token_home.spy(patch), timeout=here(1.0)))
    with ThreadPoolExecutor(4) as threads:
        answers = list(threads.map(lambda _: card.sign(digests(3)), range(4)))

    assert [len(each) for each in answers] == [3, 3, 3, 3]


def test_another_card_in_the_reader_is_named_and_never_gets_the_pin(token_home, opened, authority, holder):
    card = opened(TokenCard(token_home.settings, token_home.folder, program=token_home.spy("")))
    card.sign(digests(1))
    token_home.tokens.rename(token_home.folder / "away")
    token_home.tokens.mkdir()
    put_in(token_home, authority, replace(holder, number="8900000000099"))
    error = refused(card, CardMismatch)

    assert (error.in_reader, error.bound) == ("8900000000099", "8900000000017")
    assert (card.probe().number, card.probe().matches) == ("8900000000099", False)
    assert token_home.logins() == 1
    shutil.rmtree(token_home.tokens)
    (token_home.folder / "away").rename(token_home.tokens)
    assert_signs(card)


def test_the_same_number_with_another_certificate_is_another_card(token_home, opened, authority, holder):
    card = opened(open_card(token_home.settings, token_home.folder))
    card.sign(digests(1))
    token_home.tokens.rename(token_home.folder / "away")
    token_home.tokens.mkdir()
    put_in(token_home, authority, holder)

    refused(card, CardMismatch)


def test_a_card_with_another_number_than_the_bound_one_is_refused_at_once(token_home, opened):
    card = opened(TokenCard(token_home.settings, token_home.folder, bound="8900000000042", program=token_home.spy("")))

    assert refused(card, CardMismatch).bound == "8900000000042"
    assert token_home.logins() == 0


def put_in(token_home, authority, holder):
    wanted = NewToken("libsofthsm2.so", token_home.settings.token, "sign", Secret(token_home.pin), Secret("so-0000"))
    make_token(wanted, token_home.folder, authority, holder, validity=VALID)


def test_a_key_that_is_not_the_certificates_is_found_out(token_home, opened, authority, holder):
    stranger = make_software_card(authority, holder, validity=VALID)
    wanted = NewToken("libsofthsm2.so", "spoilt", "sign", Secret(token_home.pin), Secret("so-0000"))
    set_up_token(wanted, token_home.folder, issue=lambda _: stranger.certificates)
    card = opened(open_card(token_home.other(token="spoilt"), token_home.folder))

    assert "not the key of its certificate" in str(refused(card, CardBroken))


def test_a_missing_library_says_so(token_home, opened):
    card = opened(open_card(token_home.other(module="libnothing.so"), token_home.folder))

    assert "cannot be loaded" in str(refused(card, CardBroken))


def test_a_missing_key_label_says_so(token_home, opened):
    card = opened(open_card(token_home.other(key="other"), token_home.folder))

    assert "other" in str(refused(card, CardBroken))


def test_a_closed_card_signs_no_more_and_leaves_no_process(token_home, opened):
    card = opened(TokenCard(token_home.settings, token_home.folder))
    card.sign(digests(1))
    process = card._channel.pid
    card.close()

    refused(card, CardBroken)
    with pytest.raises(ProcessLookupError):
        os.kill(process, 0)


def test_ctrl_c_and_a_polite_end_of_the_whole_group_leave_the_card_at_work(token_home, opened):
    card = opened(TokenCard(token_home.settings, token_home.folder))
    card.sign(digests(1))
    process = card._channel.pid
    for each in (signal.SIGINT, signal.SIGTERM):
        os.kill(process, each)
    time.sleep(0.1)

    assert_signs(card)
    assert card._channel.pid == process


def test_the_process_dies_with_its_parent_and_the_parent_never_loads_pykcs11(token_home):
    program = (
        "import datetime, os, signal, sys\n"
        "from pathlib import Path\n"
        "from tongguan.gateway.settings import Card\n"
        "from tongguan.signer.cards.token import TokenCard\n"
        f"card = TokenCard({token_home.settings!r}, Path({str(token_home.folder)!r}))\n"
        "card.sign([bytes(32)])\n"
        "print(card._channel.pid, 'PyKCS11' in sys.modules, flush=True)\n"
        "os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    process, loaded = done.stdout.split()

    def gone():
        try:
            os.kill(int(process), 0)
        except ProcessLookupError:
            return True
        return False

    assert loaded == "False"
    until(gone)


def test_nothing_that_lies_in_the_home_is_imported(token_home, opened):
    for name in ("PyKCS11", "json", "signal"):
        (token_home.folder / f"{name}.py").write_text("raise SystemExit('imported from the home')\n")
    card = opened(open_card(token_home.settings, token_home.folder))

    assert_signs(card)


def with_locals_of_the_product(error):
    told = traceback.TracebackException.from_exception(error, capture_locals=True)
    each = told
    while each is not None:
        each.stack = traceback.StackSummary.from_list(line for line in each.stack if line.filename != __file__)
        each = each.__context__
    text = "".join(told.format())
    assert "give_pin" in text or "in sign" in text
    return text


def test_the_pin_is_in_no_text_of_the_card_or_its_errors(token_home, opened, caplog, capfd):
    pin = "97531864"
    card = opened(TokenCard(token_home.with_pin(pin), token_home.folder))
    told = [repr(card), repr(card.__dict__), repr(Secret(pin)), f"{Secret(pin)}", str(Secret(pin))]
    for attempt in (lambda: card.sign(digests(1)), lambda: card.give_pin(Secret(pin)), lambda: card.sign(digests(1))):
        try:
            attempt()
        except PinWrong as error:
            told.append(with_locals_of_the_product(error))
    told += [repr(card.__dict__), repr(card.probe()), caplog.text, *capfd.readouterr()]

    assert len(told) == 13
    assert [text for text in told if pin in text] == []


def test_the_pin_is_not_on_the_command_line_of_the_process(token_home, opened):
    card = opened(TokenCard(token_home.settings, token_home.folder))
    card.sign(digests(1))
    with (
        open(f"/proc/{card._channel.pid}/cmdline", "rb") as line,
        open(f"/proc/{card._channel.pid}/environ", "rb") as environment,
    ):
        seen = line.read() + environment.read()

    assert token_home.pin.encode() not in seen


def test_the_private_key_cannot_be_taken_out(token_home):
    program = (
        "import PyKCS11 as of, sys\n"
        "library = of.PyKCS11Lib(); library.load(sys.argv[1])\n"
        "for slot in library.getSlotList(tokenPresent=True):\n"
        "    if not library.getTokenInfo(slot).label.startswith('demo'): continue\n"
        "    session = library.openSession(slot); session.login(sys.argv[2])\n"
        "    key, = session.findObjects([(of.CKA_CLASS, of.CKO_PRIVATE_KEY)])\n"
        "    print(session.getAttributeValue(key, [of.CKA_SENSITIVE, of.CKA_EXTRACTABLE, of.CKA_NEVER_EXTRACTABLE]))\n"
    )
    arguments = [sys.executable, "-c", program, str(find_module()), token_home.pin]
    told = subprocess.run(
        arguments, cwd=token_home.folder, env=surroundings(token_home.folder), capture_output=True, text=True, check=True
    )

    assert [line.replace("1", "True").replace("0", "False") for line in told.stdout.splitlines()] == ["[True, False, True]"] * 2


def test_a_token_is_never_made_over_another(token_home, authority, holder):
    with pytest.raises(CardBroken, match="is there already"):
        put_in(token_home, authority, holder)


def test_a_home_with_its_tokens_may_be_moved(token_home, opened):
    moved = token_home.folder.with_name("moved")
    token_home.folder.rename(moved)
    card = opened(open_card(token_home.settings, moved))

    assert_signs(card)


def test_certificates_from_the_token_are_those_that_were_issued(token_home, opened, authority, holder):
    wanted = NewToken("libsofthsm2.so", "third", "sign", Secret(token_home.pin), Secret("so-0000"), "p-256")
    issued = make_token(wanted, token_home.folder, authority, holder, validity=VALID)
    card = opened(open_card(token_home.other(token="third"), token_home.folder))

    assert der_chain(issued.certificates) == card.certificate_chain


def test_a_certificate_that_was_not_bound_never_gets_the_pin(token_home, opened):
    settings = token_home.other(fingerprint="00" * 32)
    card = opened(TokenCard(settings, token_home.folder, bound="8900000000017", program=token_home.spy("")))

    assert "sha256" in str(refused(card, CardMismatch))
    assert (card.probe().present, card.probe().matches) == (True, False)
    assert token_home.logins() == 0


@pytest.mark.parametrize("key_type", ["rsa-2048", "p-256"])
def test_of_two_tokens_with_one_number_the_bound_certificate_signs(token_home, opened, key_type):
    one = opened(open_card(token_home.labelled(key_type), token_home.folder))
    fingerprint = sha256(one.certificate_chain[0]).hexdigest()
    settings = token_home.other(token="", fingerprint=fingerprint)
    card = opened(TokenCard(settings, token_home.folder, bound="8900000000017", program=token_home.spy("")))

    assert_signs(card)
    assert sha256(card.certificate_chain[0]).hexdigest() == fingerprint


def test_a_card_that_gives_no_sign_of_life_says_for_how_long(token_home, opened):
    card = opened(TokenCard(token_home.settings, token_home.folder, program=token_home.spy("")))
    card.sign(digests(1))
    assert card.silent_seconds == 0.0
    os.kill(card._channel.pid, signal.SIGSTOP)
    asking = threading.Thread(target=lambda: card.sign(digests(1)))
    asking.start()
    wait_until(lambda: card.silent_seconds > 0.05, "the silence")
    os.kill(card._channel.pid, signal.SIGCONT)
    asking.join()

    assert card.silent_seconds == 0.0
