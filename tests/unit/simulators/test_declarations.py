"""Customs checks a declaration against the licences that it cites (联网核查), reserves, writes off and gives back."""

import threading

import pytest
from customs_desk import TYPE, Desk, content, declaration, entry, goods, line, rows, today

from tongguan.simulators.settings import load_settings

pytestmark = pytest.mark.requirement("LR-03")
SEVERAL = {"batch": "0"}


@pytest.fixture(scope="module")
def desk(simulators):
    return Desk(f"http://127.0.0.1:{simulators.ports['customs']}", load_settings(simulators.home).admin_token)


@pytest.fixture
def firm(mofcom):
    """The applying enterprise: its code is good at customs' desk too."""
    return mofcom.account


@pytest.fixture
def issued(mofcom, fresh, number):
    """Have a licence issued and stored at customs; gives its number."""

    def issue(*lines, **more):
        mofcom.send(TYPE, "declare", content(fresh.application(), *lines, **more), reference=fresh.reference())
        return next(found for one in mofcom.until("52") if (found := number(one, "licence")))

    return issue


@pytest.fixture
def left(simulators, firm, mofcom):
    """Ask customs what is left of a licence of several batches, as the enterprise."""
    code = next(one for one in load_settings(simulators.home).enterprises if one.codes["mofcom"] == firm).codes["customs"]
    asking = simulators.client("customs", account=code, card="customs-card")

    def ask(licence, place=0):
        _, found = rows(asking.ask(TYPE, "remaining", f"<licence>{licence}</licence>"))
        return found[place]["Remaining"]

    return ask


def test_an_accepted_declaration_reserves_and_its_release_writes_off(desk, firm, issued, left):
    licence = issued(**SEVERAL)
    wanted = declaration(line(licence, "30.5"), trader=firm)

    answer = desk.declare(wanted)
    reserved = (desk.state(wanted["entry"]), left(licence))
    released = desk.happen(wanted["entry"], "release")
    cleared = desk.happen(wanted["entry"], "clear")

    assert answer == (200, {"accepted": True, "entry": wanted["entry"]})
    assert reserved == ("reserved", "69.5")
    assert [status for status, _ in (released, cleared)] == [200, 200]
    assert (desk.state(wanted["entry"]), left(licence)) == ("cleared", "69.5")


@pytest.mark.parametrize("events", [["refuse"], ["delete"], ["release", "delete"]])
def test_refusal_or_deletion_gives_back(desk, firm, issued, left, events):
    licence = issued(**SEVERAL)
    wanted = declaration(line(licence, "100"), trader=firm)
    desk.declare(wanted)
    before = left(licence)

    statuses = [desk.happen(wanted["entry"], event)[0] for event in events]

    assert (before, statuses, left(licence)) == ("0", [200] * len(events), "100")


def test_what_was_given_back_can_be_declared_again(desk, firm, issued):
    licence = issued()
    first = declaration(line(licence, "100"), trader=firm)
    desk.declare(first)
    second = declaration(line(licence, "100"), trader=firm)
    taken = desk.faults(second)
    desk.happen(first["entry"], "refuse")

    assert (taken, desk.declare(second)[0]) == (["LIC-20", "LIC-19"], 200)
    assert desk.faults(first) == ["LIC-20", "LIC-19"]


WRONG = [
    ("LIC-11", {"number": "99ZZ999999"}, {}),
    ("LIC-12", {"supervision": "O"}, {}),
    ("LIC-12", {"supervision": "v"}, {}),
    ("LIC-13", {}, {"direction": "export"}),
    ("LIC-14", {}, {"trader": {"codes": ["2102960099"], "name": "他人"}}),
    ("LIC-14", {}, {"trader": {"codes": [], "name": "示例公司"}}),
    ("LIC-15", {}, {"date": today(-1)}),
    ("LIC-15", {}, {"date": today(400)}),
    ("LIC-16", {}, {"port": "5301"}),
    ("LIC-17", {"code": "2601112000"}, {}),
    ("LIC-18", {"unit": "070"}, {}),
    ("LIC-19", {"quantity": "105.00001"}, {}),
]


@pytest.fixture(scope="module")
def shared(simulators):
    """A licence of one batch that no test uses up, with the account that has it."""
    return {}


@pytest.mark.parametrize(("code", "cited", "head"), WRONG)
def test_what_does_not_fit_the_licence_is_refused_with_its_reason(desk, shared, request, code, cited, head):
    if not shared:
        shared.update(firm=request.getfixturevalue("firm"), licence=request.getfixturevalue("issued")())
    if "direction" in head:
        head = head | {"entry": entry("0")}

    status, answer = desk.declare(declaration(line(**{"number": shared["licence"]} | cited), trader=shared["firm"]) | head)

    assert (status, answer["accepted"], [fault["code"] for fault in answer["faults"]]) == (422, False, [code])
    assert answer["faults"][0]["path"] == "goods/1/licence"


def test_every_fault_is_told_at_once(desk, firm, issued):
    licence = issued()
    wanted = declaration(line(licence, supervision="O", unit="070"), trader="2102960099", port="5301", date=today(400))

    assert sorted(desk.faults(wanted)) == ["LIC-12", "LIC-14", "LIC-15", "LIC-16", "LIC-18"]


def test_numbers_compare_without_hyphens(desk, firm, issued):
    licence = issued()

    assert desk.declare(declaration(line(f"{licence[:2]}-{licence[2:4]}-{licence[4:]}"), trader=firm))[0] == 200


def test_the_case_of_a_supervision_code_matters(desk, firm, issued):
    oil = "2709000000"
    licence = issued(goods(oil), mode="0214")

    assert desk.faults(declaration(line(licence, code=oil, supervision="V"), trader=firm)) == ["LIC-12"]
    assert desk.declare(declaration(line(licence, code=oil, supervision="v"), trader=firm))[0] == 200


def test_of_other_goods_in_processing_trade_the_licence_has_the_usual_code(desk, firm, issued):
    licence = issued(mode="0214")

    assert desk.faults(declaration(line(licence, supervision="v"), trader=firm)) == ["LIC-12"]
    assert desk.declare(declaration(line(licence), trader=firm))[0] == 200


def test_any_code_of_the_importer_is_good(desk, simulators, issued, firm):
    importer = "<Importer><Code>2100MA0OTHERX</Code><Name>另一公司</Name></Importer>"
    licence = issued(importer=importer, **SEVERAL)

    statuses = [
        desk.declare(declaration(line(licence, "1"), trader=code))[0] for code in ("2102960099", "91210200MA0EXAMPLD", firm)
    ]

    assert statuses == [200, 200, 422]


def test_any_port_of_the_licences_customs_districts_is_good(desk, firm, issued):
    licence = issued(ports=("0908", "2201"), **SEVERAL)

    found = [desk.declare(declaration(line(licence, "1"), trader=firm, port=port))[0] for port in ("0901", "2299", "5301")]

    assert found == [200, 200, 422]


def test_a_licence_is_valid_no_longer_than_its_date_and_its_year(desk, firm, issued):
    licence = issued(until=today(2), **SEVERAL)
    far = issued(until="2099-12-31", **SEVERAL)

    days = [desk.declare(declaration(line(licence, "1"), trader=firm, date=today(after)))[0] for after in (0, 2, 3)]

    assert days == [200, 200, 422]
    assert desk.faults(declaration(line(far, "1"), trader=firm, date=f"{int(today()[:4]) + 1}-01-01")) == ["LIC-15"]


def test_a_licence_of_several_batches_is_used_six_times(desk, firm, issued):
    licence = issued(**SEVERAL)
    entries = [declaration(line(licence, "1"), trader=firm) for _ in range(7)]

    faults = [desk.faults(one) for one in entries]
    desk.happen(entries[0]["entry"], "delete")

    assert faults == [[]] * 6 + [["LIC-20"]]
    assert desk.declare(entries[6])[0] == 200


def test_bulk_goods_may_exceed_by_five_percent_of_what_is_left_on_the_last_use(desk, firm, issued, left):
    licence = issued(**SEVERAL)
    desk.declare(declaration(line(licence, "80"), trader=firm))

    beyond = desk.faults(declaration(line(licence, "21.001"), trader=firm))
    within = desk.faults(declaration(line(licence, "21"), trader=firm))

    assert (beyond, within, left(licence)) == (["LIC-19"], [], "0")
    assert "LIC-20" in desk.faults(declaration(line(licence, "0.1"), trader=firm))


def test_an_overshipment_closes_the_licence_until_it_is_given_back(desk, firm, issued, left):
    licence = issued(**SEVERAL)
    first, beyond = (declaration(line(licence, quantity), trader=firm) for quantity in ("50", "52.5"))
    desk.declare(first)
    desk.declare(beyond)
    desk.happen(first["entry"], "refuse")
    third = declaration(line(licence, "10"), trader=firm)

    closed = (left(licence), desk.faults(third))
    desk.happen(beyond["entry"], "refuse")

    assert closed == ("50", ["LIC-20"])
    assert (desk.declare(third)[0], left(licence)) == (200, "90")


def test_an_overshipment_is_refused_while_other_goods_are_left(desk, firm, issued):
    licence = issued(goods(), goods("2601120000", "50"), **SEVERAL)

    early = desk.faults(declaration(line(licence, "105"), trader=firm))
    last = desk.faults(declaration(line(licence, "105"), line(licence, "50", "2601120000", place=2), trader=firm))

    assert (early, last) == (["LIC-19"], [])


@pytest.mark.parametrize(
    ("commodity", "allowed", "refused"),
    [("2709000000", "103", "103.1"), ("7204100000", "103", "103.1"), ("8703234100", "100", "100.1")],
)
def test_crude_oil_and_steel_may_exceed_by_three_percent_and_other_goods_not_at_all(
    desk, firm, issued, commodity, allowed, refused
):
    licence = issued(goods(commodity))

    found = [desk.faults(declaration(line(licence, quantity, commodity), trader=firm)) for quantity in (refused, allowed)]

    assert found == [["LIC-19"], []]


def test_a_licence_cited_at_the_head_covers_the_lines_with_its_goods(desk, firm, issued, left):
    licence = issued(**SEVERAL)
    head = [{"code": "7", "number": licence}]
    wanted = declaration(
        line(quantity="10"), line(quantity="5", place=2), line(code="8703234100", place=3), trader=firm, licences=head
    )

    assert desk.faults(declaration(line(code="8703234100"), trader=firm, licences=head)) == ["LIC-21"]
    assert (desk.declare(wanted)[0], left(licence)) == (200, "85")


def test_the_same_declaration_again_is_answered_alike_and_reserves_once(desk, firm, issued, left):
    licence = issued(**SEVERAL)
    wanted = declaration(line(licence, "40"), trader=firm)

    answers = [desk.declare(wanted) for _ in range(3)]
    desk.happen(wanted["entry"], "release")

    assert [*answers, desk.declare(wanted)] == [(200, {"accepted": True, "entry": wanted["entry"]})] * 4
    assert left(licence) == "60"


def test_another_content_under_a_known_entry_number_is_a_conflict(desk, firm, issued):
    licence = issued(**SEVERAL)
    wanted = declaration(line(licence, "40"), trader=firm)
    desk.declare(wanted)

    status, answer = desk.declare(wanted | {"packages": 4})

    assert (status, answer["faults"][0]["code"]) == (409, "DCL-02")


def test_events_may_be_told_again_and_those_that_do_not_fit_are_refused(desk, firm, issued):
    number = (wanted := declaration(line(issued()), trader=firm))["entry"]
    desk.declare(wanted)

    found = [desk.happen(number, event)[0] for event in ("clear", "release", "release", "refuse", "clear", "release", "delete")]

    assert found == [409, 200, 200, 409, 200, 200, 409]
    assert desk.state(number) == "cleared"


def test_a_deleted_entry_number_is_gone(desk, firm, issued):
    wanted = declaration(line(issued()), trader=firm)
    desk.declare(wanted)
    desk.happen(wanted["entry"], "delete")

    assert (desk.declare(wanted)[0], desk.happen(wanted["entry"], "release")[0]) == (409, 409)


def test_declarations_made_at_once_never_take_more_than_there_is(desk, firm, issued, left):
    licence = issued(**SEVERAL)
    wanted = [declaration(line(licence, "30"), trader=firm) for _ in range(8)]
    statuses = []
    threads = [threading.Thread(target=lambda one=one: statuses.append(desk.declare(one)[0])) for one in wanted]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert (sorted(statuses), left(licence)) == ([200] * 3 + [422] * 5, "10")


BAD = [
    (b"no json", ""),
    (b"[]", ""),
    ({"entry": "0908"}, "entry"),
    ({"direction": "sideways"}, "direction"),
    ({"date": "2026-02-30"}, "date"),
    ({"goods": []}, "goods"),
    ({"goods": {}}, "goods"),
    ({"goods": [line("1", "-1")]}, "goods/1/quantity"),
    ({"goods": [line("1", "0.0")]}, "goods/1/quantity"),
    ({"goods": [line("1", "1e3")]}, "goods/1/quantity"),
    ({"goods": [line("1", "NaN")]}, "goods/1/quantity"),
    ({"goods": [line("1"), line("1")]}, "goods"),
    ({"licences": [{"code": "7"}]}, "licences/1/number"),
    ({"trader": "2102960001"}, "trader"),
    ({"colour": "red"}, "colour"),
]


@pytest.mark.parametrize(("given", "path"), BAD)
def test_what_is_no_declaration_is_refused_with_its_place(desk, given, path):
    wanted = given if isinstance(given, bytes) else declaration(line("1"), trader="2102960001") | given

    status, answer = desk.declare(wanted)

    assert (status, answer["accepted"]) == (400, False)
    assert path in [fault["path"] for fault in answer["faults"]]


def test_the_ninth_digit_tells_the_direction(desk, firm, issued):
    wanted = declaration(line(issued()), trader=firm, entry=entry("0"))

    status, answer = desk.declare(wanted)

    assert (status, answer["faults"][0]["path"]) == (400, "entry")


def test_the_desk_wants_the_admin_token_and_knows_its_entries(desk):
    assert desk.call("POST", "", {}, token="wrong")[0] == 401
    assert desk.call("GET", "/090820261999999999")[0] == 404
    assert desk.happen("090820261999999999", "release")[0] == 404
    assert desk.happen("090820261999999999", "vanish")[0] == 400


def test_the_other_authority_knows_no_licences(simulators, desk, firm, issued):
    elsewhere = Desk(f"http://127.0.0.1:{simulators.ports['mofcom']}", desk.token)

    assert elsewhere.faults(declaration(line(issued()), trader=firm)) == ["LIC-11"]


def test_a_licence_whose_quantity_makes_no_sense_is_not_stored(mofcom, fresh, codes):
    body = content(fresh.application(), goods(quantity="ten"))

    mofcom.send(TYPE, "declare", body, reference=fresh.reference())

    assert "53" in codes(mofcom.until("53"))
