"""Defaults and subscriptions of an account are held against the document types when the gateway starts, not when a message comes."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tongguan.codecs.checking.compile import compile_all
from tongguan.gateway.daemon.daemon import Daemon
from tongguan.gateway.daemon.start_checks.profile_settings import fit_profiles
from tongguan.gateway.model.errors import SettingsWrong
from tongguan.gateway.profile.loading import load_profiles
from tongguan.gateway.profile.profile import Profiles
from tongguan.gateway.settings import Settings


@pytest.fixture(scope="module")
def profiles() -> Profiles:
    return load_profiles()


def settings(**account: Any) -> Settings:
    whole = {"name": "demo", "title": "示例", "uscc": "91210200MA0EXAMPLC", **account}
    return Settings(home=Path("/"), gateway={"environment": "test"}, account=[whole])


@pytest.mark.requirement("ME-13")
@pytest.mark.parametrize(
    ("defaults", "says"),
    [
        (
            {"NA.aplication": {"Year": "2026"}},
            "defaults.NA.aplication: unknown document type 'NA.aplication'; did you mean 'NA.application'?",
        ),
        ({"NA.application": {"Yaer": "2026"}}, "defaults.NA.application.Yaer: unknown field 'Yaer'; did you mean 'Year'?"),
        ({"NA.application": {"Goods[]/CodeTS": "2601111000"}}, "Goods[]/CodeTS: no default is possible there"),
        ({"NA.application": {"Goods[]": "x"}}, "Goods[]: no default is possible there"),
        ({"NA.application": {"LicenceNo": "x"}}, "LicenceNo: no default is possible there"),
        (
            {"NA.application": {"TradeMode": "no such mode"}},
            "TradeMode: the field does not take the value 'no such mode' (GW-C14)",
        ),
    ],
)
def test_a_default_that_cannot_be_filled_is_named(profiles: Profiles, defaults: Any, says: str) -> None:
    with pytest.raises(SettingsWrong) as refused:
        fit_profiles(settings(defaults=defaults), profiles)

    assert says in str(refused.value)
    assert "account demo" in str(refused.value)


@pytest.mark.requirement("ME-13")
def test_a_code_may_be_given_by_its_name(profiles: Profiles) -> None:
    code, name = next((c, row["zh"]) for c, row in profiles.tables["trade_mode"].rows.items())

    fit_profiles(settings(defaults={"NA.application": {"TradeMode": name}}), profiles)
    fit_profiles(settings(defaults={"NA.application": {"TradeMode": code, "User/Name": "甲"}}), profiles)


def test_a_secret_given_as_a_default_is_not_shown(profiles: Profiles) -> None:
    secret = [(t, path) for t, compiled in compile_all(profiles).items() for path in compiled.secrets]
    assert secret, "some installed type has a secret field"
    for type_, path in secret:
        fit_profiles(settings(defaults={type_: {path: "file:login"}}), profiles)
        with pytest.raises(SettingsWrong) as refused:
            fit_profiles(settings(defaults={type_: {path: "Hunter2"}}), profiles)
        assert "Hunter2" not in str(refused.value)


@pytest.mark.requirement("ME-12")
@pytest.mark.parametrize(
    ("subscription", "says"),
    [
        ({"types": ["NB.*"]}, "unknown document type 'NB.*'"),
        ({"types": ["NA.application"], "receipts": ["33"]}, "unknown receipt '33'"),
    ],
)
def test_a_subscription_to_nothing_is_named(profiles: Profiles, subscription: Any, says: str) -> None:
    with pytest.raises(SettingsWrong, match=says.replace("*", r"\*")):
        fit_profiles(settings(subscribe=[{"phone": "13800138000", **subscription}]), profiles)


@pytest.mark.requirement("LR-02")
def test_a_ministry_may_have_a_route_of_its_own(profiles: Profiles) -> None:
    whole = {"name": "demo", "title": "示例", "uscc": "91210200MA0EXAMPLC"}
    route = {"environment": "test", "url": "http://127.0.0.1:1", "certificates": ["trust.pem"]}

    fit_profiles(Settings(home=Path("/"), gateway={"environment": "test"}, account=[whole], route={"nmpa": route}), profiles)
    with pytest.raises(SettingsWrong, match="unknown authority 'nmpaa'; did you mean 'nmpa'"):
        fit_profiles(Settings(home=Path("/"), gateway={"environment": "test"}, account=[whole], route={"nmpaa": route}), profiles)


def test_right_ones_fit(profiles: Profiles) -> None:
    fit_profiles(settings(subscribe=[{"types": ["*"], "phone": "13800138000", "receipts": ["30"]}]), profiles)


def test_the_gateway_does_not_start_with_wrong_ones_and_config_check_tells_them(home: Path, tongguan: Callable[..., Any]) -> None:
    path = home / "tongguan.toml"
    head, route, rest = path.read_text("utf-8").partition("\n[route.")
    path.write_text(f'{head}\n[account.defaults."NA.application"]\nYaer = "2026"\n{route}{rest}', "utf-8")

    with pytest.raises(SettingsWrong, match="did you mean 'Year'"):
        Daemon(home)
    said = tongguan("config", "check")
    assert said.code == 78
    assert "是不是 'Year'" in said.out + said.err


def test_config_check_looks_at_the_provider_of_short_messages(home: Path, tongguan: Callable[..., Any]) -> None:
    with (home / "tongguan.toml").open("a", encoding="utf-8") as file:
        file.write('\n[sms]\nkind = "http"\nurl = "https://sms.example/v1"\ntoken = "file:secrets/nothing"\n')
    said = tongguan("config", "check")

    assert said.code == 78
    assert "sms.token" in said.out
    assert "route.sms" not in said.out


ACTS = {"uscc": "91210200MA0CLNT01X", "customs_code": "2102961111", "title": "甲公司", "powers": ["CD"]}


@pytest.mark.requirement("ID-06")
@pytest.mark.parametrize(
    ("account", "says"),
    [
        (
            {"acts_for": [{**ACTS, "powers": ["CD.lists"]}]},
            "acts_for 甲公司.powers: unknown document type 'CD.lists'; did you mean 'CD.list'?",
        ),
        (
            {"acts_for": [{**ACTS, "customs_code": ""}]},
            "acts_for 甲公司.customs_code: customs_code is missing: documents of CD name",
        ),
        ({"acts_for": [{**ACTS, "powers": ["NA"]}]}, "acts_for 甲公司.mofcom_code: mofcom_code is missing: documents of NA name"),
        (
            {"customs_code": "2102961111", "acts_for": [ACTS]},
            "acts_for 甲公司.customs_code: 2102961111 is another enterprise's, too",
        ),
        ({"acts_for": [ACTS, {**ACTS, "uscc": "91210200MA0CLNT02X"}]}, "2102961111 is another enterprise's, too"),
        (
            {"kind": "enterprise", "acts_for": [ACTS]},
            'account demo, acts_for: only a broker acts for others: write kind = "broker"',
        ),
    ],
)
def test_whom_a_broker_acts_for_is_told_where_it_cannot_be(profiles: Profiles, account: Any, says: str) -> None:
    with pytest.raises(SettingsWrong) as refused:
        fit_profiles(settings(**{"kind": "broker", **account}), profiles)

    assert says in str(refused.value)


@pytest.mark.requirement("ID-06")
def test_a_client_may_stand_twice_with_powers_of_different_ends(profiles: Profiles) -> None:
    twice = [{**ACTS, "until": "2026-12-31"}, {**ACTS, "powers": ["LR", "CD.list"], "until": "2027-12-31"}]

    fit_profiles(settings(kind="broker", acts_for=twice), profiles)
