"""Batches: one message, many items, an outcome for each; one bad item never spoils the others."""

from __future__ import annotations

import bodies as b
import pytest
from lxml import etree
from sites import Site


def _items(status: dict[str, object]) -> list[str]:
    items = status["items"]
    assert isinstance(items, list)
    return [item["state"] for item in items]


@pytest.mark.requirement("NA-11")
@pytest.mark.long
def test_five_hundred_declares_in_one_message_each_end_issued(site: Site) -> None:
    applications = [b.application("declare") for _ in range(500)]
    status = site.wait(site.drop(b.batch(applications)), seconds=110)

    assert _items(status) == ["accepted"] * 500
    for application in (applications[0], applications[499]):
        site.wait_business(b.APPLICATION, str(application.get("reference")), "已打印或生成电子许可证")


@pytest.mark.requirement("NA-08")
def test_a_key_that_an_item_frees_may_be_used_by_a_later_item(site: Site) -> None:
    key = b.fresh("key")
    b.done(site, b.application("save", document=key))
    again = b.application("save", document=key, Remark="第二份")
    status = site.wait(site.drop(b.batch([b.message(b.APPLICATION, "delete", document=key), again])))

    assert _items(status) == ["accepted", "accepted"]
    assert site.wait_business(b.APPLICATION, key, "暂存")["versions"]["document"] == 1


@pytest.mark.requirement("NA-12")
def test_withdrawals_in_a_batch_each_get_their_verdict(site: Site) -> None:
    pending = [b.application("declare", reference=b.fresh("wait") + "!stay=10") for _ in range(2)]
    draft = b.application("save")
    site.wait(site.drop(b.batch([*pending, draft])), "sent")
    keys = [str(each.get("reference")) for each in (*pending, draft)]
    for key in keys[:2]:
        site.wait_business(b.APPLICATION, key, "入库成功待初审")
    status = site.wait(site.drop(b.batch([b.message(b.APPLICATION, "withdraw", document=key) for key in keys])))

    assert _items(status) == ["accepted", "accepted", "refused"]
    assert status["items_count"] == {"total": 3, "accepted": 2, "failed": 1, "open": 0, "states": {"accepted": 2, "refused": 1}}
    (response,) = (one["file"] for one in status["answers"] if one["file"].startswith("Successed_"))
    counted = etree.fromstring((site.mailbox / "InBox" / response).read_bytes()).find("{*}ItemsCount")
    assert counted is not None and counted.get("total") == "3"
    assert sum(int(counted.get(name) or "") for name in ("accepted", "failed", "open")) == 3
