"""The wire protocol: what is taken, what is refused, and that every answer is signed and repeatable."""

import base64
import shutil
import subprocess
import threading
import time

import pytest
from lxml import etree
from patience import STILL, here

NA = "NA.application"


def test_the_same_message_gets_the_same_receipt_byte_for_byte(mofcom, fresh, application, codes):
    message, body = mofcom.package(NA, "declare", application(fresh.application()), reference=fresh.reference("!stay=10"))

    first = mofcom.post(message, body)
    again = mofcom.post(message, body)
    asked = mofcom.post_get(message)

    assert (first.status, again.status, asked.status) == (202, 202, 200)
    assert first.body == again.body == asked.body
    assert mofcom.read(first.body).get("message") == message
    assert codes(mofcom.until("10")) == ["10"]


def test_a_refused_message_is_refused_again_with_the_same_receipt(mofcom, fresh):
    message, body = mofcom.package(NA, "declare", "<Year>2026</Year>", reference=fresh.reference())

    first, again = mofcom.post(message, body), mofcom.post(message, body)

    assert (first.status, again.status, first.body) == (400, 400, again.body)


def test_other_bytes_under_a_used_message_id_are_a_conflict(mofcom, fresh, application, faults):
    message, body = mofcom.package(NA, "declare", application(fresh.application()), reference=fresh.reference("!stay=10"))
    first = mofcom.post(message, body)
    _, other = mofcom.package(
        NA, "declare", application(fresh.application()), reference=fresh.reference(), message=message.removesuffix("-1")
    )

    conflict = mofcom.post(message, other)

    receipt = mofcom.read(conflict.body)
    assert (conflict.status, receipt.get("code"), faults(receipt)[0][0]) == (409, "1", "PKG-09")
    assert mofcom.post(message, body).body == first.body


def test_a_message_never_seen_is_not_found(mofcom):
    assert mofcom.post_get("never-1").status == 404


ENVELOPES = [
    ({"environment": "production"}, "PKG-04"),
    ({"receiver_id": "customs"}, "PKG-05"),
    ({"message_id": "another"}, "PKG-06"),
    ({"message_type": "NA.agriculture"}, "PKG-07"),
    ({"operation": "withdraw"}, "PKG-08"),
    ({"sender_id": "9999MA0NOBODY"}, "ACC-01"),
    ({"send_time": None}, "PKG-02"),
]


@pytest.mark.parametrize(("envelope", "code"), ENVELOPES)
def test_an_envelope_that_does_not_fit_is_refused(mofcom, fresh, application, faults, envelope, code):
    message, body = mofcom.package(
        NA, "declare", application(fresh.application()), reference=fresh.reference(), envelope=envelope
    )

    reply = mofcom.post(message, body)

    receipt = mofcom.read(reply.body)
    assert (reply.status, receipt.get("kind"), receipt.get("code")) == (400, "technical", "1")
    assert faults(receipt)[0][0] == code


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"no xml at all",
        b"<Package/>",
        b'<!DOCTYPE Package [<!ENTITY a "b">]><Package xmlns="urn:tongguan:package:1">&a;</Package>',
        b'<Package xmlns="urn:tongguan:package:1"><EnvelopInfo/><DataInfo/></Package>',
        b"<a>" * 5000,
    ],
)
def test_what_is_no_package_is_refused_with_a_signed_receipt(mofcom, fresh, body):
    reply = mofcom.post(fresh.reference("-1"), body)

    assert (reply.status, mofcom.read(reply.body).get("code")) == (400, "1")


def test_a_call_without_a_message_id_is_turned_away(mofcom, tools):
    assert tools.call("POST", f"{mofcom.base}/v1/messages", b"<a/>").status == 400


def test_a_changed_digit_breaks_the_signature(mofcom, fresh, application, faults):
    message, body = mofcom.package(NA, "declare", application(fresh.application()), reference=fresh.reference())

    reply = mofcom.post(message, body.replace(b"2601111000", b"2601112000"))

    assert (reply.status, faults(mofcom.read(reply.body))[0][0]) == (400, "SIG-01")


def test_an_unsigned_message_is_refused(mofcom, fresh, application, faults):
    message, body = mofcom.package(NA, "declare", application(fresh.application()), reference=fresh.reference(), sign=False)

    assert faults(mofcom.read(mofcom.post(message, body).body))[0][0] == "SIG-02"


def wrapped_in_place_of_data(root):
    """Put the signed package inside another one: the signature stays whole, the outside is the forger's."""
    evil = etree.fromstring(etree.tostring(root))
    evil.find("{*}Signature").getparent().remove(evil.find("{*}Signature"))
    for old, new in (("2601111000", "9999999999"),):
        next(one for one in evil.iter("{*}CodeTS") if one.text == old).text = new
    evil.append(root)
    return evil


def signature_moved_outside(root):
    evil = wrapped_in_place_of_data(root)
    evil.append(evil.find("{*}Package/{*}Signature"))
    return evil


def second_signature(root):
    root.append(etree.fromstring(etree.tostring(root.find("{*}Signature"))))
    return root


def by_id(root):
    root.find(".//{*}Reference").set("URI", "#a")
    root.set("Id", "a")
    return root


def another_transform(root):
    root.findall(".//{*}Transform")[1].set("Algorithm", "http://www.w3.org/TR/2001/REC-xml-c14n-20010315")
    return root


def keyed_with_a_password(root):
    root.find(".//{*}SignatureMethod").set("Algorithm", "http://www.w3.org/2001/04/xmldsig-more#hmac-sha256")
    return root


@pytest.mark.parametrize(
    "tamper",
    [wrapped_in_place_of_data, signature_moved_outside, second_signature, by_id, another_transform, keyed_with_a_password],
)
def test_a_rearranged_signature_is_never_believed(mofcom, fresh, application, faults, tamper):
    message, body = mofcom.package(NA, "declare", application(fresh.application()), reference=fresh.reference())

    reply = mofcom.post(message, etree.tostring(tamper(etree.fromstring(body))))

    assert (reply.status, faults(mofcom.read(reply.body))[0][0] in ("SIG-01", "SIG-02")) == (400, True)


def test_another_card_is_refused_with_both_numbers(simulators, fresh, application, faults):
    stranger = simulators.client("mofcom", pen=simulators.pens["other"], card="other-mofcom")

    status, receipt = stranger.send(NA, "declare", application(fresh.application()), reference=fresh.reference())

    text = "当前卡号 other-mofcom 与用户注册信息卡号 mofcom-card 不一致，无法进行申报"
    assert (status, faults(receipt)) == (400, [("CARD-01", text)])


def test_another_certificate_under_the_right_card_number_is_refused(simulators, tools, fresh, application, faults):
    known = simulators.client("mofcom", pen=simulators.pens["other"])
    unknown = simulators.client("mofcom", pen=tools.make_pen("demo"))

    one = known.send(NA, "declare", application(fresh.application()), reference=fresh.reference())[1]
    two = unknown.send(NA, "declare", application(fresh.application()), reference=fresh.reference())[1]

    assert faults(one) == [("CARD-01", "当前卡号 other-mofcom 与用户注册信息卡号 mofcom-card 不一致，无法进行申报")]
    assert faults(two)[0][0] == "CARD-02"


def test_an_operation_nobody_plays_is_refused(mofcom, fresh, faults):
    status, receipt = mofcom.send(NA, "merge", reference=fresh.reference())

    assert (status, faults(receipt)[0][0]) == (400, "PKG-10")


def test_receipts_are_given_in_pages_and_again_from_any_cursor(mofcom, fresh, application):
    for _ in range(3):
        mofcom.send(NA, "declare", application(fresh.application()), reference=fresh.reference("!stay=10"))
    mofcom.until_count(3)
    mofcom.cursor = "0"

    pages = [mofcom.poll(limit=2), mofcom.poll(limit=2)]
    cursor = mofcom.cursor
    mofcom.cursor = "0"
    whole = mofcom.poll(limit=100)

    assert [len(page) for page in pages] == [2, 1]
    assert pages[0] + pages[1] == whole
    assert mofcom.cursor == cursor


def test_a_long_poll_ends_when_something_comes_and_when_its_time_is_over(mofcom, fresh, application):
    begin = time.monotonic()
    assert mofcom.poll(wait=1) == []
    empty = time.monotonic() - begin

    found = []
    waiting = threading.Thread(target=lambda: found.extend(mofcom.poll(wait=30)))
    waiting.start()
    time.sleep(0.2)
    mofcom.send(NA, "declare", application(fresh.application()), reference=fresh.reference("!stay=10"))
    waiting.join(here(STILL))

    assert 0.9 < empty < here(5)
    assert len(found) == 1


@pytest.mark.parametrize("asked", ["", "account=x&after=abc", "account=x&wait=soon"])
def test_a_wrong_request_for_receipts_is_told_so(mofcom, tools, asked):
    assert tools.call("GET", f"{mofcom.base}/v1/receipts?{asked}").status == 400


@pytest.mark.parametrize(
    "asked", [f"after={10**30}", f"after=-{10**30}", f"limit={10**30}", "limit=-1", "wait=-1", "wait=nan", "wait=-inf"]
)
def test_a_number_beyond_all_bounds_is_answered(mofcom, tools, asked):
    assert tools.call("GET", f"{mofcom.base}/v1/receipts?account=nobody&{asked}").status == 200


def test_an_account_gets_its_own_receipts_only(simulators, mofcom, fresh, application):
    mofcom.send(NA, "declare", application(fresh.application()), reference=fresh.reference("!stay=10"))
    mofcom.until("10")

    assert simulators.client("mofcom", account="2100MA0OTHERX").poll(wait=0) == []


def test_many_messages_at_once_each_get_their_own_answer(mofcom, fresh, application):
    numbers = [fresh.application() for _ in range(64)]
    answers = {}

    def send(own):
        answers[own] = mofcom.send(NA, "declare", application(own), reference=fresh.reference("!stay=10"))

    threads = [threading.Thread(target=send, args=(own,)) for own in numbers]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    receipts = [mofcom.read(body) for body in mofcom.until_count(64)]

    assert {own: receipt.get("number") for own, (_, receipt) in answers.items()} == {own: own for own in numbers}
    assert sorted(receipt.get("number") for receipt in receipts) == sorted(numbers)


def test_a_too_large_body_is_turned_away(mofcom, fresh):
    assert mofcom.post(fresh.reference("-1"), b" " * 48_000_001).status == 413


def test_a_licence_that_mofcom_did_not_sign_is_not_taken_over(simulators, tools):
    customs = simulators.client("customs")
    forged = customs.signed('<Licence xmlns="urn:tongguan:licence:1" licence="26AA999999"/>')

    reply = tools.call("POST", f"{customs.base}/v1/licences", forged)

    assert (reply.status, customs.read(reply.body).get("code")) == (400, "1")


def test_a_signed_query_is_verified_too(mofcom, fresh, faults):
    message, body = mofcom.package(NA, "query", reference="Q", attributes='kind="status"')

    reply = mofcom.post(message, body.replace(b'kind="status"', b'kind="licence"'), "queries")

    assert (reply.status, faults(mofcom.read(reply.body))[0][0]) == (400, "SIG-01")


def test_receipts_carry_the_certificate_of_the_authority(mofcom, fresh, application):
    message, body = mofcom.package(NA, "declare", application(fresh.application()), reference=fresh.reference("!stay=10"))

    root = etree.fromstring(mofcom.post(message, body).body)

    shown = base64.b64decode(root.findtext(".//{*}X509Certificate"))
    assert shown == mofcom.trusted_der


@pytest.mark.skipif(shutil.which("xmlsec1") is None, reason="the program xmlsec1 is not installed")
@pytest.mark.parametrize("authority", ["mofcom", "customs"])
def test_receipts_are_verified_by_a_program_of_others_too(simulators, tmp_path, authority):
    client = simulators.client(authority)
    message, body = client.package(NA, "query", reference="A", sign=False, attributes='kind="weather"')
    (tmp_path / "receipt.xml").write_bytes(client.post(message, body, "queries").body)

    command = ["xmlsec1", "--verify", "--enabled-key-data", "x509", "--trusted-pem"]
    command += [str(simulators.home / "trust" / f"{authority}.pem"), str(tmp_path / "receipt.xml")]
    ended = subprocess.run(command, capture_output=True, text=True, check=False)

    assert (ended.returncode, "OK" in ended.stdout + ended.stderr) == (0, True)


@pytest.mark.parametrize(
    "marker", ["!pace=often", "!slow=", "!503=", "!stay=nowhere", "!unknown", "!pace=9!", "!!=", "!drop-answers"]
)
def test_a_senseless_marker_harms_nothing(mofcom, fresh, application, marker):
    message, body = mofcom.package(NA, "declare", application(fresh.application()), reference=fresh.reference(marker))

    replies = [mofcom.post(message, body).status for _ in range(2)]

    assert replies[-1] == 202
    assert mofcom.until("40")
