"""What an operation asks for beside the document itself: other documents of the account, and a card only where one is wanted."""

from __future__ import annotations

from workshop import Workshop

BODY = "<Title>x</Title><Mode>{}</Mode>"


def without_card(shop: Workshop) -> None:
    """Take the account's MOFCOM card out of the settings."""
    path = shop.home / "tongguan.toml"
    parts = path.read_text("utf-8").split("[[account.card]]")
    path.write_text("[[account.card]]".join(p for p in parts if 'name = "demo-mofcom"' not in p), "utf-8")


def test_an_account_without_the_document_that_is_needed_is_told_so_in_both_languages(shop: Workshop) -> None:
    status = shop.send("XX.application", "declare", "a1", BODY.format("paperless"))

    assert status["state"] == "refused"
    assert [(f["code"], f["path"], f["message"]) for f in status["faults"]] == [
        ("GW-F30", "/XX.application/@operation", "您的企业尚未在本系统备案，请录入并提交备案信息")
    ]
    assert shop.mofcom.posts("a1") == []


def test_a_need_is_not_asked_for_where_its_condition_does_not_hold_or_its_operation_is_another(shop: Workshop) -> None:
    assert shop.send("XX.application", "declare", "a1", BODY.format("free"), "sent")["state"] == "sent"
    assert shop.send("XX.application", "save", "a2", BODY.format("paper"))["state"] == "accepted"


def test_a_registration_that_is_still_a_draft_is_none(shop: Workshop) -> None:
    shop.send("XX.registration", "save", "reg", "<Title>x</Title>")

    assert shop.send("XX.application", "declare", "a1", BODY.format("paper"))["state"] == "refused"


def test_once_it_is_there_the_same_reference_goes_through(shop: Workshop) -> None:
    assert shop.send("XX.application", "declare", "a1", BODY.format("paper"))["state"] == "refused"
    shop.register()

    assert shop.send("XX.application", "declare", "a1", BODY.format("paper"), "sent")["state"] == "sent"


def test_where_no_signature_is_wanted_none_is_made_and_no_card_needed(shop: Workshop) -> None:
    shop.register()
    shop.stop()
    without_card(shop)
    status = shop.send("XX.application", "declare", "a1", BODY.format("paper"), "sent", "refused")

    assert status["state"] == "sent", status["faults"]
    (call,) = shop.mofcom.posts("a1")
    assert b"Signature" not in call.body
    assert b"<ic_card></ic_card>" in call.body
    with shop.daemon.journal.read() as records:
        assert records.body(status["message_id"], "sealed:1") == call.body


def test_where_one_is_wanted_the_card_must_be_bound_and_signs(shop: Workshop) -> None:
    shop.register()
    assert shop.send("XX.application", "declare", "a1", BODY.format("paperless"), "sent")["state"] == "sent"
    assert b"SignatureValue" in shop.mofcom.posts("a1")[0].body
    shop.stop()
    without_card(shop)
    status = shop.send("XX.application", "declare", "a2", BODY.format("paperless"))

    assert [f["code"] for f in status["faults"]] == ["GW-F06"]


def test_an_unsigned_message_is_resent_as_the_same_bytes(shop: Workshop) -> None:
    shop.mofcom.says["a1"] = ["503", "take"]
    shop.send("XX.application", "declare", "a1", BODY.format("free"), "sent")
    first, second = shop.mofcom.posts("a1")

    assert first.body == second.body
    assert first.message_id == second.message_id


def test_a_message_that_was_saved_goes_out_as_its_draft_says(shop: Workshop) -> None:
    shop.register()
    shop.send("XX.application", "save", "a1", BODY.format("paper"))
    content = '<XX.application xmlns="urn:tongguan:XX.application:1" operation="declare" reference="a1d" document="a1"/>'
    shop.play(shop.site.drop(content), "sent")

    assert b"Signature" not in shop.mofcom.posts("a1d")[0].body
