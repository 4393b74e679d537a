"""The page of the licence systems, written from the profiles: `tongguan profiles --registry`."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from tongguan.gateway.profile.profile import Profile, Profiles

_HEAD = {
    "en": """\
# The licence systems of the Single Window

Written from the profiles by `tongguan profiles --registry --lang en > docs/licences.md`; a test keeps it in step. Number, system,
ministry, certificates and codes are those of the overview table in the manual (row 003); numbers, cards and validity are ours.

A code of one character goes to `LicenseDocu` of a declaration, case matters; a code of three digits to the limits of its goods.
A system's own route is used where the settings have it (`[route.nmpa]`), else that of its authority (`[route.ministries]`,
`[route.mofcom]`).
""",
    "zh": """\
# 单一窗口许可证件系统

由各类型的描述文件生成：`tongguan profiles --registry --lang zh > docs/licences.zh.md`，有测试保证一致。序号、系统、主管部门、证件和
监管证件代码出自手册（003）的概况表；编号、卡和有效期是我们定的。

一位的代码填在报关单随附单证（`LicenseDocu`），区分大小写；三位的代码填在商品的许可证件信息里。
系统自己的通道在设置里有时（`[route.nmpa]`）就用它，否则用主管机关的通道（`[route.ministries]`、`[route.mofcom]`）。
""",
}
_COLUMNS = {
    "en": [
        "no.",
        "type",
        "system",
        "ministry",
        "certificates",
        "codes",
        "stands in",
        "card",
        "route",
        "application no.",
        "valid",
    ],
    "zh": ["序号", "类型", "系统名称", "主管部门", "监管证件", "代码", "填在", "卡", "通道", "申请编号", "有效期"],
}


def page(profiles: Profiles, language: str) -> str:
    """The whole page in Markdown, a row for each type that has a place in the registry."""
    listed = sorted((p for p in profiles.values() if p.registry), key=lambda p: (p.registry, p.type))
    head, *rows = [f"| {' | '.join(row)} |\n" for row in (_COLUMNS[language], *(_row(profiles, p, language) for p in listed))]
    return f"{_HEAD[language]}\n{head}{'|---' * len(_COLUMNS[language])}|\n{''.join(rows)}"


def _row(profiles: Profiles, profile: Profile, language: str) -> Sequence[str]:
    codes = _once(code for certificate in profile.certificates for code in certificate.codes)
    ministry = profiles.tables["ministry"].rows.get(profile.ministry, {})
    return (
        str(profile.registry),
        f"`{profile.type}`",
        profile.title[language],
        ministry.get(language, ""),
        "<br>".join(_once(certificate.text[language] for certificate in profile.certificates)),
        " ".join(f"`{code}`" for code in codes),
        " ".join(_once(_place(code, language) for code in codes)),
        profiles.authorities[profile.card_authority].title[language],
        f"`{profile.route or profile.authority}`",
        f"`{profile.numbers[profile.own_number].given}`",
        _validity(profile, language),
    )


def _once(words: Iterable[str]) -> list[str]:
    return list(dict.fromkeys(words))


def _place(code: str, language: str) -> str:
    if len(code) == 1:
        return "LicenseDocu"
    return "goods limits" if language == "en" else "商品许可证件信息"


def _validity(profile: Profile, language: str) -> str:
    """As long as the type's rules allow."""
    months = next((str(rule.with_["months"]) for rule in profile.rules if rule.check == "date_within"), "")
    if not months:
        return ""
    return f"{months} months" if language == "en" else f"{months}个月"
