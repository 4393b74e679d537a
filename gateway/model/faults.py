"""Faults that only the flow can find: they need the journal. Codes are stable for ever, texts are not."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from difflib import get_close_matches

from tongguan.gateway.model import characters
from tongguan.gateway.model.errors import Fault, short

_NUMBERED = re.compile(r"(.*\.)([0-9]{2})")
_MOST_SHOWN = 1000  #: letters of a value: lists of known words are longer than a single one

TEXTS: dict[str, tuple[str, str]] = {
    "GW-F01": (
        "报文编号 {reference} 已被报文 {first} 使用，且内容不同",
        "reference {reference} is in use by message {first} with other content",
    ),
    "GW-F02": ("{type} 没有操作 {operation}；可用：{known}", "{type} has no operation {operation}; it has {known}"),
    "GW-F03": ("没有编号为 {number} 的{title}", "no {title} has the number {number}"),
    "GW-F04": ("没有找到单证 {key}；请给出 document 或 number", "no document {key}; give its document key or a number"),
    "GW-F05": (
        "单证当前状态为“{status}”，不能{operation}；允许的状态：{allowed}",
        "the document is “{status}”: {operation} is possible only in {allowed}",
    ),
    "GW-F06": (
        "账户 {account} 没有绑定{authority}的卡（{roles}）；{do_zh}",
        "account {account} has no {authority} card bound ({roles}); {do_en}",
    ),
    "GW-F07": ("{label} {value} 已被申请{by}，不能重复申请", "{label} {value} is already applied for{by}"),
    "GW-F08": ("查询 {kind} 不存在；可用：{known}", "there is no query {kind}; there are {known}"),
    "GW-F09": ("查询条件 {name} 必填", "filter {name} is required"),
    "GW-F10": ("查询条件 {name} 不存在；可用：{known}", "there is no filter {name}; there are {known}"),
    "GW-F11": ("查询起止时间范围不能超过 {days} 天", "the range may span at most {days} days"),
    "GW-F85": ("查询条件 {name} 没有 {value} 这个值{known}", "filter {name} has no value {value}{known}"),
    "GW-F86": (
        "{title} {number}（{status}）正要修改或撤销这份单证：有结果后再{operation}",
        "{title} {number} ({status}) is to change or cancel this document: {operation} it once that is over",
    ),
    "GW-F12": ("没有找到报文 {reference}", "no message {reference}"),
    "GW-F13": ("报文 {reference} 已是“{state}”，不能停止", "message {reference} is {state}: it can no longer be stopped"),
    "GW-F14": ("随附文件 {name} 不存在", "no attachment {name}"),
    "GW-F15": ("复制份数应为 1 至 {most}", "copies must be 1 to {most}"),
    "GW-F16": ("单证 {key} 已存在，其类型为 {type}", "document {key} exists and is a {type}"),
    "GW-F17": ("{label} 应为 1 至 {most}", "{label} must be 1 to {most}"),
    "GW-F18": ("查询条件 {name} 的日期 {value} 无效{known}", "{value} is no date for filter {name}{known}"),
    "GW-F21": ("查询条件 {name} 的起始日期晚于终止日期", "filter {name} begins after its end"),
    "GW-F19": (
        "当前卡号 {in_reader} 与用户注册信息卡号 {bound} 不一致，无法进行申报",
        "card {in_reader} is in the reader but {bound} is bound: nothing was sent",
    ),
    "GW-F20": (
        "卡 {card} 的持有人代码 {holder} 与应签章单位 {signer} 不一致",
        "card {card} belongs to {holder}, but {signer} must sign",
    ),
    "GW-F31": (
        "账户 {account} 未设置 {setting}，无法向该单位查询",
        "account {account} has no {setting} in its settings: this authority cannot be asked",
    ),
    "GW-F32": ("系统未配置通道 {route}", "there is no [route.{route}] in the settings"),
    "GW-F33": ("查询条件 {name} 只能写一次", "filter {name} may stand once only"),
    "GW-F45": ("没有打印格式 {form}；可用：{known}", "there is no form {form}; there are {known}"),
    "GW-F46": (
        "没有单证类型 {type}；最接近的是 {near}；可用：{known}",
        "there is no document type {type}; there are {known}; nearest to it: {near}",
    ),
    "GW-F47": (
        "{label}须与{zh} {name} 相同：该单证为 {other}，报文为 {value}",
        "{label} must be as in {en} {name}: it is {other} there, and {value} here",
    ),
    "GW-F60": (
        "第 {row} 项：许可证 {licence} 不含商品 {commodity}（单位 {unit_zh}）",
        "line {row}: licence {licence} does not cover {commodity} in the unit {unit_en}",
    ),
    "GW-F61": (
        "第 {row} 项：许可证 {licence} 的商品 {commodity} 仅余 {left} {unit_zh}，申报 {wanted}",
        "line {row}: of {commodity} licence {licence} has {left} {unit_en} left, and {wanted} is declared",
    ),
    "GW-F30": ("{zh}", "{en}"),
    "GW-F55": (
        "引用此单证的{zh} {key} 状态为“{status}”，不能随之删除",
        "{en} {key} names this document and is “{status}”: it cannot be deleted with it",
    ),
    "GW-F56": (
        '编号 {number} 属于单证 {key}；请以 document="{key}" 指明，或不写 document',
        "number {number} is document {key}'s: name that one, or none",
    ),
    "GW-F51": (
        "行数超出一份单证，须分出单证 {key}，但该单证已存在且不是由此分出的；请换用其他单证号",
        "there are more rows than one document takes, and {key}, which the others would become, exists and is no part of this one: use another document key",
    ),
    "GW-F52": (
        "分出的单证 {key} 当前状态为“{status}”，内容又与报文不同，不能{operation}",
        "the further document {key} is “{status}” and says otherwise than the message: {operation} is not possible",
    ),
    "GW-F53": (
        "分出的单证 {key} 的单证号或报文编号超过 {most} 个字符",
        "the key or reference of the further document {key} is longer than {most} characters",
    ),
    "GW-F54": (
        "此前分出的单证 {keys} 不在此报文内，保持原样；不再需要时请删除",
        "{keys} became further documents before and are not in this message: they stay as they are; delete what is not wanted any more",
    ),
    "GW-F70": ("{label} {agent} 不存在", "there is no {agent}"),
    "GW-F71": ("没有{zh} {name}", "there is no {en} {name}"),
    "GW-F72": ("{zh} {name} 的状态为“{status_zh}”{into}，不能汇总", "{en} {name} is “{status_en}”{into}: it cannot be merged"),
    "GW-F73": ("{zh} {name} 的{what}与汇总不同", "{what_en} of {en} {name} is another than the merge's"),
    "GW-F74": ("{month} 尚未开始", "{month} has not begun"),
    "GW-F75": ("{month}：{zh}", "{month}: {en}"),
    "GW-F76": (
        "其所含的{zh}已退回待汇总，此单证不能再{operation}；请重新汇总",
        "what went into it ({en}) is to be merged anew: {operation} is not possible any more",
    ),
    "GW-F77": (
        "{label}为 {said}，本账户是 {own}：须由其自己的卡签名，应由其账户申报",
        "{label} is {said}, this account {own}: it is signed with that enterprise's own card, and declared by its account",
    ),
    "GW-F78": (
        "{label} {said} 不是本账户，也不是它代理的企业；若已受其委托，请在设置中账户 {account} 的 [[account.acts_for]] 写明，再发送一次",
        (
            "{label} {said} is neither this account nor an enterprise that it acts for; if it does, "
            "name it in the settings of account {account}, [[account.acts_for]], and send this again"
        ),
    ),
    "GW-F79": (
        "没有为 {client} 办理 {type} 的代理权限；取得委托后，请在设置中账户 {account} 的 [[account.acts_for]] 的 powers 加上 {type}，再发送一次",
        (
            "there is no power to send {type} for {client}; once there is, "
            "add {type} to its powers in the settings of account {account}, [[account.acts_for]], and send this again"
        ),
    ),
    "GW-F80": (
        "{client} 的代理权限到 {until} 为止；续签委托后，请在设置中账户 {account} 的 [[account.acts_for]] 改写 until，再发送一次",
        (
            "the power to act for {client} ended with {until}; once it is prolonged, "
            "write its new until in the settings of account {account}, [[account.acts_for]], and send this again"
        ),
    ),
    "GW-F81": ("{zh}", "{en}"),
    "GW-F98": ("单证中没有 {value}", "{value} is not in the document"),
    "GW-F99": ("{value} 的状态为“{status}”，不能导出或打印", "{value} is “{status}”: it can be neither exported nor printed"),
    "GW-F96": ("查询起止时间范围不能超过 {months} 个月", "the range may span at most {months} months"),
    "GW-F97": (
        "查询条件 {name} 的 {value} 不可用：最多 {most} 个，以逗号分隔，不重复",
        "{value} will not do for filter {name}: at most {most} values, with commas between, none twice",
    ),
    "GW-F95": ("{zh}；{do_zh}", "{en}; {do_en}"),
    "GW-F40": (
        "{label}的引用 {reference} 读不到：{why}；请放在 secrets/<账户>/ 下，或设置该环境变量",
        "{label}: nothing can be read at {reference}: {why}; put it below secrets/<account>/, or set the variable",
    ),
    "GW-F41": (
        "{label}须加密给主管部门，但 route.{route} 没有 secrets_to 或 encrypt_to 证书",
        "{label} must be encrypted to the authority, but route.{route} has neither secrets_to nor encrypt_to",
    ),
}


InBoth = tuple[str, str]
"""The same in Chinese and in English."""


def fault(code: str, *, path: str = "", label: str | InBoth = "", **facts: object) -> Fault:
    """A fault of this table with its blanks filled; what the sender wrote is shown, never at length. A fact may be a pair: `InBoth`."""
    blanks = {"label": label, **facts}
    if code in _SAYS_OPERATION:
        name, _, more = str(facts["operation"]).partition(" ")
        blanks["operation"] = tuple(f"{word} {more}".strip() for word in OPERATION_WORDS.get(name, (name, name)))
    if code == "GW-F13":
        blanks["state"] = _STATE_WORDS.get(str(facts["state"]), str(facts["state"]))
    said = [{name: short(_said(value, n), _MOST_SHOWN) for name, value in blanks.items()} for n in range(2)]
    zh, en = (text.format(**shown) for text, shown in zip(TEXTS[code], said, strict=True))
    return Fault(code, zh, en, path=short(path, _MOST_SHOWN), label=str(said[0]["label"]), label_en=str(said[1]["label"]))


def _said(value: object, language: int) -> object:
    said = value[language] if isinstance(value, tuple) else value
    return characters.shown(said[:_MOST_SHOWN]) if isinstance(said, str) else said


def listed_types(types: Iterable[str]) -> str:
    """Document types for a reader, numbered ones as a range: `XX.01…XX.28`."""
    found: dict[str, list[str]] = {}
    for type_ in sorted(types):
        numbered = _NUMBERED.fullmatch(type_)
        found.setdefault(numbered[1] if numbered else type_, []).append(type_)
    return " ".join(f"{some[0]}…{some[-1]}" if len(some) > 2 else " ".join(some) for some in found.values())


#: what an operation is called in a sentence
OPERATION_WORDS: Mapping[str, InBoth] = {
    "save": ("保存", "save"), "check": ("校验", "check"), "declare": ("申报", "declare"), "withdraw": ("撤销", "withdraw"),
    "amend": ("变更", "amend"), "cancel": ("取消", "cancel"), "delete": ("删除", "delete"), "copy": ("复制", "copy"),
    "extend": ("延期", "extend"), "merge": ("汇总", "merge"), "stop": ("停止", "stop"), "confirm": ("确认", "confirm"),
    "attach": ("上传附件", "attach"), "detach": ("删除附件", "detach"), "fetch": ("获取", "fetch"), "print": ("打印", "print"),
    "export": ("下载", "export"), "query": ("查询", "query"), "insert": ("插入", "insert"), "remove": ("移除", "remove"),
}  # fmt: skip
_STATE_WORDS: Mapping[str, InBoth] = {
    "received": ("已接收", "received"), "checked": ("已校验", "checked"), "sealed": ("已签名", "sealed"), "sent": ("已发送", "sent"),
    "accepted": ("已成功", "accepted"), "rejected": ("已拒绝", "rejected"), "refused": ("已退回", "refused"), "held": ("已暂挂", "held"),
    "stopped": ("已停止", "stopped"), "given_up": ("已放弃", "given up"), "repeated": ("重复", "repeated"),
}  # fmt: skip
#: faults whose sentence says what is to be done, not a word that must be typed otherwise
_SAYS_OPERATION = frozenset({"GW-F05", "GW-F52", "GW-F76", "GW-F86"})


def unknown_type(type_: str, known: Mapping[str, int]) -> Fault:
    """There is no such type. `known`: type to its row in the overview of licence systems; meant is that row, or a like name."""
    row = type_.rpartition(".")[2]
    listed = [name for name, n in known.items() if row.isdecimal() and n == int(row)]
    near = listed or [name for name in known if name.lower() == type_.lower()] or get_close_matches(type_, known, n=3, cutoff=0.5)
    return fault("GW-F46", label="type", type=type_, near=" ".join(near) or "-", known=listed_types(known))
