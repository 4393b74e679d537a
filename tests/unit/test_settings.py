"""Settings: what is wrong is named, with what would be right."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tongguan.gateway.model.errors import SettingsWrong
from tongguan.gateway.settings import _explain, as_far_as_readable, read_settings, size, span

WHOLE = """
[gateway]
environment = "test"

[[account]]
name = "demo"
title = "大连示例进出口有限公司"
uscc = "91210200MA0EXAMPLC"

[[account.card]]
name = "demo-customs"
authority = "customs"

[route.customs]
environment = "test"
url = "http://127.0.0.1:8702"
certificates = ["trust/customs.pem"]
timeout = "1.5s"
"""


def home(folder: Path, text: str = WHOLE) -> Path:
    (folder / "tongguan.toml").write_text(text, "utf-8")
    return folder


def wrong(folder: Path, text: str) -> str:
    with pytest.raises(SettingsWrong) as raised:
        read_settings(home(folder, text))
    assert str(folder / "tongguan.toml") in str(raised.value)
    return str(raised.value)


def test_what_is_not_said_has_its_default(tmp_path: Path) -> None:
    settings = read_settings(home(tmp_path))

    assert settings.gateway.language == "zh"
    assert settings.route["customs"].timeout == timedelta(seconds=1.5)
    assert settings.retention.bodies > timedelta(days=3650)
    assert settings.account[0].card[0].kind == "pkcs11"


@pytest.mark.parametrize(
    ("was", "typed", "says"),
    [
        ("[gateway]\n", "[gateway]\nlangauge = 'en'\n", "unknown key gateway.langauge; did you mean 'language'?"),
        ("[route.customs]\n", "[route.customs]\nin_fligth = 3\n", "unknown key route.customs.in_fligth; did you mean 'in_flight'?"),
        ("[route.customs]\n", "[route.customs]\ncertificate = 3\n", "unknown key route.customs.certificate; did you mean 'certificates'?"),
        ("uscc =", "usc =", "unknown key account.0.usc; did you mean 'uscc'?"),
        ("[gateway]\n", "[shedule]\n[gateway]\n", "unknown key shedule; did you mean 'schedule'?"),
        ("[gateway]\n", "xyzzy = 1\n[gateway]\n", "unknown key xyzzy"),
        ("[gateway]\n", "home = 'elsewhere'\n[gateway]\n", "unknown key 'home'"),
        ('authority = "customs"', "", "account.0.card.0.authority is missing"),
        ('environment = "test"\n\n', "\n", "gateway.environment is missing"),
        ('name = "demo"', 'name = "Demo"', "account.0.name"),
        ('timeout = "1.5s"', 'timeout = "fast"', "'fast' is no duration; write it like"),
        ('timeout = "1.5s"', "in_flight = 0", "route.customs.in_flight"),
        ("[gateway]\n", "[gateway\n", "tongguan.toml"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_named_with_what_would_be_right(tmp_path: Path, was: str, typed: str, says: str) -> None:
    assert was in WHOLE
    assert says in wrong(tmp_path, WHOLE.replace(was, typed, 1))


@pytest.mark.parametrize(
    ("was", "typed", "zh", "en"),
    [
        ('name = "demo"', 'name = "Demo"', "account.0.name: 应符合", "account.0.name: must match"),
        ('name = "demo"', "name = 3", "account.0.name: 应为文字", "account.0.name: must be a text"),
        ('environment = "test"', 'environment = "prod"', "只能是 'test' 或 'production'", "must be 'test' or 'production'"),
        ('timeout = "1.5s"', "in_flight = 0", "in_flight: 不能小于 1", "in_flight: must not be less than 1"),
        ('timeout = "1.5s"', "in_flight = 2000", "in_flight: 不能大于 1024", "in_flight: must not be more than 1024"),
        ('timeout = "1.5s"', "in_flight = 1.5", "in_flight: 应为整数", "in_flight: must be a whole number"),
        ('timeout = "1.5s"', 'in_flight = "many"', "in_flight: 应为整数", "in_flight: must be a whole number"),
        ('timeout = "1.5s"', "one_platform = []", "one_platform: 应为 true 或 false", "one_platform: must be true or false"),
        ('timeout = "1.5s"', 'one_platform = "maybe"', "one_platform: 应为 true 或 false", "one_platform: must be true or false"),
        ('["trust/customs.pem"]', '"trust/customs.pem"', "certificates: 应为列表", "certificates: must be a list"),
        ('timeout = "1.5s"', 'timeout = "999999999999d"', '太长；最长 "100y"', 'is too long; the longest is "100y"'),
        ("[gateway]\n", "[gateway]\nmost_bytes = 0\n", "gateway.most_bytes: 不能小于 1", "gateway.most_bytes: must not be less than 1"),
        ("[gateway]\n", "[gateway]\nmost_bytes = '0MB'\n", "gateway.most_bytes: 不能小于 1", "gateway.most_bytes: must not be less than 1"),
        ("[gateway]\n", "prints = 1\n[gateway]\n", "prints: 应为一组键和值", "prints: must be a table"),
        ("[gateway]\n", "database = [1]\n[gateway]\n", "database: 应为一组键和值", "database: must be a table"),
        ("[[account.card]]", "[[account.subscribe]]\ntypes=[]\nphone='13800000000'\n[[account.card]]", "types: 至少要有 1 项", "types: needs at least 1"),
        ("[gateway]\n", "[[alerts.command]]\nname='a'\nrun=['x']\ncodes=['dsk']\n[gateway]\n", "没有告警 'dsk'；是不是 'disk'？", "there is no alert 'dsk'; did you mean 'disk'?"),
        ("[gateway]\n", "[[alerts.command]]\nname='a'\nrun=['x']\nurgent=['xyz!']\n[gateway]\n", "没有告警 'xyz!'", "there is no alert 'xyz!'"),
        ("[gateway]\n", "[broker]\ntimeout = '0s'\n[gateway]\n", "broker.timeout: '0s' 不在 100ms 至 1h 之间", "broker.timeout: '0s' is not between 100ms and 1h"),
        ("[gateway]\n", "[broker]\nheartbeat = '1d'\n[gateway]\n", "broker.heartbeat: '1d' 不在 1s 至 1h 之间", "broker.heartbeat: '1d' is not between 1s and 1h"),
        ("[gateway]\n", "[schedule]\nprobe = '0s'\n[gateway]\n", "schedule.probe: '0s' 不在 100ms 至 1d 之间", "schedule.probe: '0s' is not between 100ms and 1d"),
        ("[gateway]\n", "[sms]\ntimeout = '0s'\n[gateway]\n", "sms.timeout: '0s' 不在", "sms.timeout: '0s' is not between"),
        ("[gateway]\n", "[prints]\ntimeout = '0s'\n[gateway]\n", "prints.timeout: '0s' 不在", "prints.timeout: '0s' is not between"),
        ("[gateway]\n", "[[alerts.command]]\nname='a'\nrun=['x']\ntimeout='0s'\n[gateway]\n", "timeout: '0s' 不在", "timeout: '0s' is not between"),
        ('timeout = "1.5s"', 'timeout = "0s"', "route.customs.timeout: '0s' 不在", "route.customs.timeout: '0s' is not between"),
        ("[gateway]\n", "[sms]\nkind = 'http'\n[gateway]\n", "需要服务商的 url", "needs the provider's url"),
        ("[gateway]\n", "[gateway]\nmost_waiting = true\n", "most_waiting: 不能是 true 或 false", "most_waiting: cannot be true or false"),
        ("[gateway]\n", "[gateway]\nmost_bytes = true\n", "most_bytes: 不能是 true", "most_bytes: cannot be true"),
        ('["trust/customs.pem"]', "[]", "route.customs.certificates 未指定证书", "route.customs.certificates names no certificate"),
        ("[gateway]\n", "[schedule]\nleast_wait = '2h'\n[gateway]\n", "schedule: least_wait 比 most_wait 长", "schedule: least_wait is longer than most_wait"),
        ('name = "demo"', 'name = "demo"\nmailbox = "secrets/../secrets/demo"', "在主目录的 secrets/ 里", "in secrets/ of the home, which is the gateway's own"),
        ('name = "demo"', 'name = "demo"\nmailbox = "a\\u0000b"', "account.0.mailbox：第 2 个字符是 U+0000", "account.0.mailbox: character 2 is U+0000"),
        ('timeout = "1.5s"', 'token = "file:a\\nb"', "route.customs.token：第 7 个字符是 U+000A", "route.customs.token: character 7 is U+000A"),
        ("[gateway]\n", "[alerts]\nfile = 'tongguan.db'\n[gateway]\n", "alerts.file：tongguan.db 已用作", "alerts.file: tongguan.db is tongguan.db already"),
        ("[gateway]\n", "[sms]\nfile = 'tongguan.db-wal'\n[gateway]\n", "sms.file：tongguan.db-wal 已用作", "sms.file: tongguan.db-wal is tongguan.db-wal already"),
        ("[gateway]\n", "[sms]\nfile = './alerts.jsonl'\n[gateway]\n", "已用作 alerts.file", "sms.file: ./alerts.jsonl is alerts.file already"),
    ],
)  # fmt: skip
def test_a_value_of_the_wrong_kind_is_told_in_both_languages(tmp_path: Path, was: str, typed: str, zh: str, en: str) -> None:
    assert was in WHOLE
    with pytest.raises(SettingsWrong) as raised:
        read_settings(home(tmp_path, WHOLE.replace(was, typed, 1)))

    assert zh in raised.value.zh and en in raised.value.en


def test_what_else_the_library_finds_is_told_with_its_place_in_both_languages() -> None:
    zh, _, en = _explain({"type": "new_kind", "loc": ("a", 1), "msg": "Input is {odd}"}).partition("\n")

    assert (zh, en) == ("a.1: 这个值不能用", "a.1: Input is {odd}")


def test_every_wrong_key_is_named_at_once(tmp_path: Path) -> None:
    said = wrong(tmp_path, WHOLE.replace("title =", "titel =").replace("url =", "ulr ="))

    assert "titel" in said and "ulr" in said


def test_in_production_nothing_is_cleared_at_once(tmp_path: Path) -> None:
    """0 is typed by who means never."""
    at_once = WHOLE + '\n[retention]\nboxes = "0s"\n'

    assert "retention.boxes: 0 would clear at once; to keep for good write 100y" in wrong(
        tmp_path, at_once.replace('environment = "test"', 'environment = "production"')
    )
    (tmp_path / "tongguan.toml").write_text(at_once)
    assert not read_settings(tmp_path).retention.boxes


def test_test_and_production_never_mix(tmp_path: Path) -> None:
    assert "route.customs.environment is 'test'" in wrong(tmp_path, WHOLE.replace('"test"', '"production"', 1))


def test_two_accounts_or_cards_of_one_name_are_refused(tmp_path: Path) -> None:
    account = WHOLE[WHOLE.index("[[account]]") : WHOLE.index("[[account.card]]")]
    card = WHOLE[WHOLE.index("[[account.card]]") : WHOLE.index("[route")]

    assert "account name used twice: demo" in wrong(tmp_path, WHOLE + account)
    assert "card name used twice: demo-customs" in wrong(tmp_path, WHOLE.replace(card, card + card))


def test_a_home_without_settings_says_how_to_make_one(tmp_path: Path) -> None:
    with pytest.raises(SettingsWrong, match=f"tongguan init {tmp_path}"):
        read_settings(tmp_path)


def test_settings_that_are_no_text_are_refused(tmp_path: Path) -> None:
    (tmp_path / "tongguan.toml").write_bytes(b"\xff\xfe\x00")

    with pytest.raises(SettingsWrong):
        read_settings(tmp_path)


def test_paths_are_relative_to_the_home(tmp_path: Path) -> None:
    settings = read_settings(home(tmp_path))

    assert settings.path("trust/customs.pem") == tmp_path / "trust" / "customs.pem"
    assert settings.path("/etc/tongguan/customs.pem") == Path("/etc/tongguan/customs.pem")
    assert settings.mailbox(settings.account[0]) == tmp_path / "mailboxes" / "demo"


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("15s", 15), ("250ms", 0.25), ("2h", 7200), ("10m", 600), ("5d", 432_000), ("1 month", 2_629_800), ("10y", 315_576_000), ("100y", 3_155_760_000), ("2 days", 172_800)],
)  # fmt: skip
def test_durations(text: str, seconds: float) -> None:
    assert span(text) == timedelta(seconds=seconds)


@pytest.mark.parametrize(
    "text", ["15", "１５s", "s", "-1s", "1 fortnight", "", 15, None, "101y", "1201 months", "999999999999d", "9" * 400 + "s"]
)
def test_what_is_no_duration(text: object) -> None:
    with pytest.raises(ValueError):
        span(text)


@pytest.mark.parametrize(
    ("text", "count"), [("4MB", 4_000_000), ("200KB", 200_000), ("1.5GB", 1_500_000_000), ("7 B", 7), (99, 99)]
)
def test_sizes(text: object, count: int) -> None:
    assert size(text) == count


@given(st.integers(0, 10**6), st.sampled_from([("B", 1), ("KB", 1000), ("MB", 1000**2)]))
def test_whole_sizes_are_exact(count: int, unit: tuple[str, int]) -> None:
    assert size(f"{count}{unit[0]}") == count * unit[1]


@pytest.mark.parametrize("text", ["4", "４MB", "4 M", "MB", "-4MB", "9" * 400 + "GB"])
def test_what_is_no_size(text: str) -> None:
    with pytest.raises(ValueError):
        size(text)


@pytest.mark.requirement("GW-13")
def test_a_business_clock_runs_faster_in_tests_alone(tmp_path: Path) -> None:
    fast = "\n[clock]\nspeed = 86400\n"
    real = WHOLE.replace('environment = "test"', 'environment = "production"').replace("http:", "https:")

    assert read_settings(home(tmp_path, WHOLE + fast)).clock.speed == 86_400
    assert read_settings(home(tmp_path, real + "\n[clock]\nspeed = 1\n")).clock.speed == 1
    said = wrong(tmp_path, real + fast)
    assert "only in tests" in said and "clock" in said
    assert as_far_as_readable(tmp_path).clock.speed == 1


@pytest.mark.parametrize(
    ("speed", "says"),
    [
        ("0", "not be less than 1"),
        ("-5", "not be less than 1"),
        ("1000001", "not be more than 1000000"),
        ("1.5", "whole number"),
        ('"x"', "whole number"),
    ],
)
def test_a_speed_that_cannot_be_is_refused(tmp_path: Path, speed: str, says: str) -> None:
    assert says in wrong(tmp_path, f"{WHOLE}\n[clock]\nspeed = {speed}\n")


@pytest.mark.requirement("GW-08")
@pytest.mark.parametrize(
    ("was", "now", "zh", "en"),
    [
        ('authority = "customs"', 'authority = "customs"\nkind = "eport"', "还不支持", "not there yet"),
        (
            "[route.customs]",
            '[database]\nurl = "postgresql+psycopg://a:pass@db/x"\n[route.customs]',
            "还不支持 postgresql",
            "not yet",
        ),
        ("[route.customs]", '[database]\nurl = "mysql://db/x"\n[route.customs]', "只支持 SQLite", "only SQLite"),
        ("[route.customs]", '[schedule]\ntimezone = "Mars/North"\n[route.customs]', "没有时区", "no time zone"),
        ("[route.customs]", '[schedule]\ntimezone = "../etc/passwd"\n[route.customs]', "没有时区", "no time zone"),
    ],
)
def test_what_is_not_there_yet_is_refused_with_a_word(tmp_path: Path, was: str, now: str, zh: str, en: str) -> None:
    with pytest.raises(SettingsWrong) as told:
        read_settings(home(tmp_path, WHOLE.replace(was, now, 1)))

    assert zh in told.value.zh and en in told.value.en
    assert "pass@" not in told.value.zh + told.value.en


@pytest.mark.requirement("GW-08")
@pytest.mark.parametrize(
    ("was", "now", "says"),
    [
        ('"大连示例', '"大连\u200b示例', ("account.0.title", "U+200B")),
        ('"大连示例', '"大连\u202e示例', ("account.0.title", "U+202E")),
        ("大连示例进出口有限公司", "??????", ("account.0.title", "“??????”")),
        ("91210200MA0EXAMPLC", "９1210200MA0EXAMPLC", ("account.0.uscc", "９")),
        ("91210200MA0EXAMPLC", "91210200MA0 EXAMPLC", ("account.0.uscc", "91210200MA0 ")),
        ("trust/customs.pem", "trust/customs\ufe0f.pem", ("route.customs.certificates.0", "U+FE0F")),
        ("http://127.0.0.1:8702", " http://127.0.0.1:8702", ("route.customs.url", "")),
        ("http://127.0.0.1:8702", "http://127.0.0.1:8702\u00a0", ("route.customs.url", "")),
        ('name = "demo"', 'name = "demo\U000e0041"', ("account.0.name", "U+E0041")),
    ],
)
def test_a_letter_that_is_not_what_it_seems_is_told_with_its_key(
    tmp_path: Path, was: str, now: str, says: tuple[str, str]
) -> None:
    with pytest.raises(SettingsWrong) as told:
        read_settings(home(tmp_path, WHOLE.replace(was, now, 1)))

    for part in says:
        assert part in told.value.zh and part in told.value.en
    assert "\u200b" not in told.value.zh and "\u202e" not in told.value.en


@pytest.mark.requirement("GW-08")
@pytest.mark.parametrize(
    ("was", "now", "zh", "en"),
    [
        ('environment = "test"', 'environment\u00a0= "test"', "U+00A0 不换行空格", "U+00A0 no-break space"),
        ('environment = "test"', 'environment ＝ "test"', "“＝”（U+FF1D）", "“＝” (U+FF1D)"),
        ('environment = "test"', "environment = “test”", "““”（U+201C）", "““” (U+201C)"),
        ("[gateway]", "[gateway\u200b]", "U+200B 零宽空格", "U+200B zero width space"),
        ('environment = "test"', 'environment = "test"\nenvironment = "test"', "键重复（第 4 行第 21 列）", "line 4, column 21"),
        ('environment = "test"', "environment = test", "文字写在半角引号内", "line 3, column 15"),
        ("[gateway]", "\x1a[gateway]", "U+001A", "U+001A"),
    ],
)
def test_what_is_no_toml_names_the_letter_that_spoils_it(tmp_path: Path, was: str, now: str, zh: str, en: str) -> None:
    with pytest.raises(SettingsWrong) as told:
        read_settings(home(tmp_path, WHOLE.replace(was, now, 1)))

    assert zh in told.value.zh and en in told.value.en
    assert "at line" not in told.value.zh


def test_a_fingerprint_may_be_written_in_groups(tmp_path: Path) -> None:
    key = 'authority = "customs"'
    text = WHOLE.replace(key, f'{key}\nfingerprint = "AB:cd ef"')

    assert read_settings(home(tmp_path, text)).cards[0].fingerprint == "abcdef"
