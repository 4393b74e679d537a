"""The faults that reading and checking a message can find. Codes are stable for ever, texts are not.

X: XML · J: JSON · Z: ZIP · S: sheets (workbooks, CSV) · M: the frame of a message · C: content · E: enclosed files (attachments) · P: receipts. The flow's own begin with GW-F.
"""

from __future__ import annotations

from typing import Literal, TypedDict

from tongguan.gateway.model import characters
from tongguan.gateway.model.errors import Fault, short
from tongguan.gateway.model.faults import OPERATION_WORDS

TEXTS: dict[str, tuple[str, str]] = {
    "GW-X01": ("不是格式良好的 XML：{why}", "not well-formed XML: {why_en}"),
    "GW-X02": (
        "XML 编码 {encoding} 不可用；请用 UTF-8、GB18030 或 UTF-16",
        "encoding {encoding} is not read; use UTF-8, GB18030 or UTF-16",
    ),
    "GW-X03": ("不允许 DTD 或实体", "neither DTD nor entities are allowed"),
    "GW-X04": ("嵌套超过 {most} 层", "nested deeper than {most} levels"),
    "GW-X05": ("单个文本超过 {most} 个字符", "a text is longer than {most} characters"),
    "GW-X06": ("内容与声明的编码 {encoding} 不符", "the bytes are not in the declared encoding {encoding}"),
    "GW-X07": ("元素超过 {most} 个", "more than {most} elements"),
    "GW-X08": ("一个元素超过 {most} 个属性", "an element has more than {most} attributes"),
    "GW-X09": ("一处有效的命名空间声明超过 {most} 个", "more than {most} namespaces are declared at one place"),
    "GW-X10": ("命名空间超过 {most} 个字符", "a namespace is longer than {most} characters"),
    "GW-X11": ("命名空间 {uri} 不是绝对 URI", "namespace {uri} is not an absolute URI"),
    "GW-X12": (
        "声明的编码是 {encoding}，内容却是 {found}：请把声明改为 {found}，或按声明的编码保存",
        "{encoding} is declared, but the bytes are {found}: declare {found}, or save it as declared",
    ),
    "GW-J01": ("不是格式良好的 JSON：{why}", "not well-formed JSON: {why_en}"),
    "GW-J02": ("JSON 必须是 UTF-8 编码{found}", "JSON must be in UTF-8{found_en}"),
    "GW-J03": ("键 {name} 重复", "key {name} stands twice"),
    "GW-J04": ("{value} 不是 JSON 的数字", "{value} is no number of JSON"),
    "GW-J05": ("嵌套超过 {most} 层", "nested deeper than {most} levels"),
    "GW-J06": ("最外层没有键 {name}{near}", "there is no key {name} at the top{near}"),
    "GW-J07": ("{name} 的类型应为{kind}", "{name} must be {kind_en}"),
    "GW-J08": ("单个文本超过 {most} 个字符", "a text is longer than {most} characters"),
    "GW-J09": ("含有 XML 不允许的字符 U+{point}", "contains U+{point}, which no message may contain"),
    "GW-J10": ("值超过 {most} 个", "more than {most} values"),
    "GW-Z01": ("不是可读的 ZIP 文件：{why}", "not a readable ZIP file: {why_en}"),
    "GW-Z02": (
        "ZIP 最上层（或其唯一的文件夹内）应有且只有一个 .xml 或 .json 报文，现有 {count} 个{names}",
        "a ZIP holds, at its top or in its only folder, exactly one .xml or .json message; this one has {count}{names}",
    ),
    "GW-Z03": ("ZIP 内文件数超过 {most}", "more than {most} entries in the ZIP"),
    "GW-Z04": ("ZIP 解压后超过 {most} 字节", "the ZIP unpacks to more than {most} bytes"),
    "GW-Z05": ("ZIP 内文件 {name} 压缩比异常", "entry {name} is compressed beyond belief"),
    "GW-Z06": (
        "ZIP 内文件名 {name} 不能带路径：请与报文放在同一层（批次：放在以报文编号命名的文件夹内）",
        "entry {name} must not have a path: put it beside the message (of a batch: into the folder named as the item's reference)",
    ),
    "GW-Z07": ("ZIP 内文件 {name} 是链接或特殊文件", "entry {name} is a link or a special file"),
    "GW-Z08": ("ZIP 内文件 {name} 已加密", "entry {name} is encrypted"),
    "GW-Z09": (
        "ZIP 内文件 {name} 重复，或只有写法不同（如 é 写作一个或两个字符）",
        "entry {name} stands twice, or in two forms that look alike (é as one letter or two)",
    ),
    "GW-Z10": ("ZIP 内文件名既非 UTF-8 也非 GB18030", "an entry's name is neither in UTF-8 nor in GB18030"),
    "GW-Z11": ("ZIP 内文件 {name} 损坏：{why}", "entry {name} is damaged: {why}"),
    "GW-S01": ("{name} 应为 .xlsx、.csv 或 .txt", "{name} must end in .xlsx, .csv or .txt"),
    "GW-S02": ("{name} 不是可读的表格：{why}", "{name} is no readable sheet: {why}"),
    "GW-S03": ("{name} 是旧格式的表格；请另存为 .xlsx", "{name} is a workbook of an old form; save it as .xlsx"),
    "GW-S04": ("{name} 设有密码；请去掉密码后另存为 .xlsx", "{name} has a password; save it as .xlsx without one"),
    "GW-S05": ("{name} 含有宏；请另存为不含宏的 .xlsx", "{name} has macros; save it as .xlsx without them"),
    "GW-S06": ("{name} 有隐藏的工作表 {sheet}；请取消隐藏或删除", "{name} has the hidden sheet {sheet}; show or delete it"),
    "GW-S07": ("{name} 既非 UTF-8 也非 GB18030 编码", "{name} is neither in UTF-8 nor in GB18030"),
    "GW-S08": ("{name} 超过 {rows} 行或 {columns} 列", "{name} has more than {rows} rows or {columns} columns"),
    "GW-S20": ("{name} 的 {place} {value}：{why}", "{name}, {place}: {value} {why_en}"),
    "GW-S21": ("{name} 中没有编号", "there is no number in {name}"),
    "GW-M01": ("文件名 {name} 的扩展名应为 .xml、.json 或 .zip", "{name} must end in .xml, .json or .zip"),
    "GW-M02": ("报文超过 {most} 字节", "the message is larger than {most} bytes"),
    "GW-M03": ("报文为空", "the message is empty"),
    "GW-M05": ("命名空间应为 {right}，现为 {given}", "the namespace must be {right}, not {given}"),
    "GW-M06": ("没有操作 {operation}{near}", "there is no operation {operation}{near}"),
    "GW-M07": ("{name} 必填", "{name} is required"),
    "GW-M08": ("{name} 超过 64 个字符", "{name} is longer than 64 characters"),
    "GW-M09": ("{name} 不能作为名称：{what}", "{name} is no name: {what_en}"),
    "GW-M10": ("根元素没有属性 {name}{near}", "the root element has no attribute {name}{near}"),
    "GW-M11": ("一个批次最多 {most} 项，现有 {count} 项", "a batch has at most {most} items; this one has {count}"),
    "GW-M12": ("批次内报文编号 {reference} 重复", "reference {reference} stands twice in the batch"),
    "GW-M13": ("批次没有任何项目", "the batch is empty"),
    "GW-M14": ("check 应为 true 或 false，现为 {value}", "check must be true or false, not {value}"),
    "GW-M15": ("报文编号 {reference} 不能用作 ZIP 内的文件夹名", "reference {reference} cannot name a folder in the ZIP"),
    "GW-M16": (
        "{name} 是{what}，不是可以发送的报文；收到的回执由网关放入 InBox。可发送的类型：{known}",
        "{name} is {what_en}, nothing that can be sent; receipts that come are put into InBox. What can be sent: {known}",
    ),
    "GW-M18": (
        "{name} 是{what}，不能作为报文接收{hint}。可接收的类型：{known}",
        "{name} is {what_en}, and cannot be taken as a message{hint_en}. What is taken: {known}",
    ),
    "GW-C01": ("没有元素 {name}{near}", "there is no element {name}{near}"),
    "GW-C02": ("{label}重复", "{label} stands twice"),
    "GW-C03": ("{label}必填", "{label} is required"),
    "GW-C04": ("{label}超长：最多 {most} 位，现有 {count} 位", "{label} is too long: {count} of at most {most} characters"),
    "GW-C05": ("{label}格式不正确：{value}", "{label} does not have the right form: {value}"),
    "GW-C06": (
        "{label}应为数字（不带千分位、指数），现为 {value}",
        "{label} must be a plain number without exponent, not {value}",
    ),
    "GW-C07": ("{label}最多 {most} 位小数：{value}", "{label} has at most {most} decimals: {value}"),
    "GW-C08": ("{label}最多 {most} 位数字：{value}", "{label} has at most {most} digits: {value}"),
    "GW-C09": ("{label}不能小于 {least}：{value}", "{label} must not be below {least}: {value}"),
    "GW-C10": ("{label}不能大于 {most}：{value}", "{label} must not be above {most}: {value}"),
    "GW-C11": ("{label}应为日期，如 2026-11-20，现为 {value}", "{label} must be a date like 2026-11-20, not {value}"),
    "GW-C12": (
        "{label}应为时间，如 2026-11-20T18:00:00，现为 {value}",
        "{label} must be a time like 2026-11-20T18:00:00, not {value}",
    ),
    "GW-C13": ("{label}应为 true 或 false，现为 {value}", "{label} must be true or false, not {value}"),
    "GW-C14": (
        "{label}的值 {value} 不在代码表 {table} 中{near}",
        "{label}: {value} is neither a code nor a name of the table {table}{near}",
    ),
    "GW-C15": ("{label}应为字符串，现为 {value}", "{label} must be a string, not {value}"),
    "GW-C16": ("{label}至少 {least} 位：{value}", "{label} has at least {least} characters: {value}"),
    "GW-C17": ("{label}至少 {least} 行，现有 {count} 行", "{label} needs at least {least} rows, not {count}"),
    "GW-C18": ("{label}最多 {most} 行，现有 {count} 行", "{label} has at most {most} rows, not {count}"),
    "GW-C19": (
        "{label}由系统填写：系统值为 {right}，{whose}为 {value}",
        "{label} is set by the system: it is {right_en}, {whose_en} says {value}",
    ),
    "GW-C20": (
        "{label}不能由操作 {operation} 更改：原值 {before}，报文值 {value}",
        "{label} cannot be changed by {operation}: it is {before}, the message says {value}",
    ),
    "GW-C21": ("操作 {operation} 不带单证内容", "operation {operation} carries no content"),
    "GW-C22": ("操作 {operation} 须带单证内容", "operation {operation} must carry the document"),
    "GW-C23": ("{label}不能有下级元素", "{label} holds a text, no elements"),
    "GW-C24": ("{label}应有下级元素", "{label} holds elements, no text"),
    "GW-C25": ("元素之间有多余的文本：{value}", "stray text between elements: {value}"),
    "GW-C26": ("{name} 不能有属性 {attribute}", "{name} has no attribute {attribute}"),
    "GW-C27": ("没有操作 {operation}；可用：{known}", "there is no operation {operation}; there are {known}"),
    "GW-C29": (
        "{label}须写引用 file:<名称> 或 env:TONGGUAN_SECRET_<名称>，不能写内容本身；报文中的值没有保存",
        "{label} must be a reference, file:<name> or env:TONGGUAN_SECRET_<NAME>, never the secret itself; what the message said was not kept",
    ),
    "GW-C30": ("{title} {number} 中没有{label} {value}", "{title_en} {number} has no {label} {value}"),
    "GW-C31": ("{title} {number} 中的{label} {value} 已停用", "{label} {value} of {title_en} {number} is stopped"),
    "GW-C32": ("{label} {value} 不是本账户任何备案的编号", "{label} {value} is no document of this account"),
    "GW-C33": ("{label}应为行号，如 1,3-5，现为 {value}", "{label} must be like 1,3-5, not {value}"),
    "GW-C34": ("{label}：没有第 {row} 行，现有 {count} 行", "{label}: there is no row {row}; there are {count}"),
    "GW-C35": ("{label}：第 {row} 行已是“{flag}”", "{label}: row {row} is “{flag_en}” already"),
    "GW-C36": ("{label}应为一个行号，现为 {value}", "{label} must be the number of one row, not {value}"),
    "GW-C37": ("{title} {number} 没有 {value} 这一项", "{title_en} {number} has no {value}"),
    "GW-C38": ("{value}（{what}）不能修改", "{value} ({what_en}) may not be changed"),
    "GW-C39": ("{value} 在第 {row} 行已有修改", "{value} is changed by row {row} already"),
    "GW-C42": ("{what} 修改前后相同：{value}", "{what_en} is {value} already"),
    "GW-C43": (
        "{label}的值 {value} 不在代码表 {table} 中；该表只是样例，请核对（导入完整的表：tongguan tables import FILE）",
        "{label} {value} is not in the code table {table}; that table is only a sample: please check (take up the whole one: tongguan tables import FILE)",
    ),
    "GW-C50": (
        "{label}含有看不见的{what}（第 {at} 个字符）：请删去",
        "{label} contains {what_en} (character {at}), which cannot be seen: take it out",
    ),
    "GW-C60": ("{label} 第 {place} 个 {value}：{why}", "{label}, number {place}: {value} {why_en}"),
    "GW-C51": (
        "{label}没有可用的内容（{what}），按未填写处理",
        "{label} holds nothing that can be used ({what_en}): it counts as empty",
    ),
    "GW-C52": (
        "{label}含有{what}（第 {at} 个字符）：原来的文字在转换编码时已损坏，请重新填写并以 UTF-8 保存",
        "{label} contains {what_en} (character {at}): the text was spoilt by a wrong encoding; write it anew, in UTF-8",
    ),
    "GW-C53": (
        "{label}的第 {at} 个字符是{what}，看似拉丁字母 {meant}：请核对",
        "{label}: character {at} is {what_en}, which looks like the Latin letter {meant}",
    ),
    "GW-C54": (
        "{label}含有{what}（第 {at} 个字符），显示的文字与实际内容不同：请删去",
        "{label} contains {what_en} (character {at}), by which it is shown otherwise than it is: take it out",
    ),
    "GW-C55": (
        "{label}含有{what}（第 {at} 个字符）：似经过两次转义，请核对",
        "{label} contains {what_en} (character {at}), as if it had been escaped twice: please check",
    ),
    "GW-C40": ("操作 {operation} 还须填写{label}", "{operation} will want {label}"),
    "GW-C41": (
        "元素 {name} 不在此处所用版本的格式中，未予采用",
        "element {name} is not in the edition that is used here, and is left out",
    ),
    "GW-E01": ("报文列出的随附文件 {name} 不存在{near}", "attachment {name} is named but was not sent{near}"),
    "GW-E02": ("随附文件 {name} 未在报文中列出", "{name} was sent but is not named in the message"),
    "GW-E03": ("随附文件 {name} 重复", "attachment {name} stands twice"),
    "GW-E04": ("随附文件 {name} 的类型不允许；允许：{types}", "attachment {name} is of no allowed type; allowed: {types}"),
    "GW-E05": (
        "随附文件 {name} 有 {size} 字节，最多 {most} 字节",
        "attachment {name} has {size} bytes, at most {most} are allowed",
    ),
    "GW-E06": (
        "随附文件 {name} 每页 {size} 字节，最多 {most} 字节",
        "attachment {name} has {size} bytes a page, at most {most} are allowed",
    ),
    "GW-E07": ("随附文件 {name} 不是可读的 PDF", "attachment {name} is no readable PDF"),
    "GW-E08": (
        "随附文件类别 {category} 不存在；可用：{known}",
        "there is no attachment category {category}; there are {known_en}",
    ),
    "GW-E09": ("须有下列类别之一的随附文件：{known}", "an attachment of one of these categories is required: {known_en}"),
    "GW-E10": ("最多 {most} 个随附文件，现有 {count} 个", "at most {most} attachments are allowed, not {count}"),
    "GW-E11": ("此单证不能带随附文件", "this document cannot have attachments"),
    "GW-E13": ("随附文件缺少 {name}", "an attachment has no {name}"),
    "GW-E14": ("类别 {category} 有多个随附文件", "more than one attachment of category {category}"),
    "GW-E15": ("随附文件名 {name} 不可用", "attachment name {name} cannot be used"),
    "GW-E16": ("随附文件 {name} 为空", "attachment {name} is empty"),
    "GW-P01": ("回执格式不正确：{why}", "the receipt is not well-formed: {why}"),
}


#: faults whose sentence says what is to be done
_SAYS_OPERATION = frozenset({"GW-C20", "GW-C21", "GW-C22", "GW-C40"})
_MOST_PATH = 1000  #: characters: a path is made of names that the sender chose


class Label(TypedDict):
    """What a fault calls its place, in both languages."""

    label: str
    label_en: str


ATTACHMENT: Label = {"label": "附件", "label_en": "attachment"}


def fault(
    code: str,
    *,
    path: str = "",
    line: int | None = None,
    label: str = "",
    label_en: str = "",
    severity: Literal["error", "warning"] = "error",
    **facts: object,
) -> Fault:
    """A fault of this table with its blanks filled; values are shortened, so that a fault never carries a body."""
    zh, en = TEXTS[code]
    shown = {name: _shown(name, value) for name, value in facts.items()}
    chinese = {**shown, "operation": _operation(shown["operation"])} if code in _SAYS_OPERATION else shown
    return Fault(
        code,
        zh.format(label=label or short(path), **chinese),
        en.format(label=label_en or label or short(path), **shown),
        path=short(path, _MOST_PATH),
        line=line,
        label=label,
        severity=severity,
        label_en=label_en or label,
    )


def _operation(name: str) -> str:
    """What an operation is called in a Chinese sentence; one that only a home's type has, as it is typed."""
    return OPERATION_WORDS[name][0] if name in OPERATION_WORDS else name


def _shown(name: str, value: object) -> str:
    """A fact on one line, without a character that cannot be seen, at no length; what is known is listed whole."""
    return short(value, _MOST_PATH) if name in ("known", "known_en") else short(characters.on_one_line(short(value)))
