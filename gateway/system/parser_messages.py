"""What parsers find wrong with a text, in words that a person understands, in Chinese and English.

Never guesses: a finding that is not known here is told as the parser says it.
"""

from __future__ import annotations

import re

_AMPERSAND = ("& 应写作 &amp;", "& is written &amp;")
_QUOTES = ('属性的值应写在半角引号 " 之内', 'the value of an attribute stands between plain quotes "')
_CUT = ("文件不完整", "the file is cut off")
#: what a parser says, and how a person says it; `{0}` is what its parentheses found
_SAYS = tuple(
    (re.compile(found, re.DOTALL), zh, en)
    for found, zh, en in (
        ("Document is empty", "没有内容", "there is nothing in it"),
        ("Start tag expected", "此处应以 < 开头", "it must begin with < here"),
        ("XML declaration allowed only", "XML 声明（<?xml …?>）之前不能有空行、空格或其他内容", "nothing, no empty line or blank, may stand before <?xml …?>"),
        ("Extra content at the end", "根元素结束之后还有多余的内容", "something stands behind the end of the root element"),
        ("xmlParseEntityRef: no name|EntityRef: expecting", *_AMPERSAND),
        ("Entity '(.*)' not defined", "没有实体 &{0};（" + _AMPERSAND[0] + "）", "there is no entity &{0}; (" + _AMPERSAND[1] + ")"),
        ("xmlParseCharRef: invalid xmlChar value ([0-9]+)", "{0:code} 是 XML 不允许的字符", "{0:code} is a character that XML does not allow"),
        ("invalid Char value ([0-9]+)", "{0:code} 是 XML 不允许的字符", "{0:code} is a character that XML does not allow"),
        ("tag mismatch: (.*?) line ([0-9]+) and (\\S*),", "第 {1} 行的 <{0}> 没有结束，就有了 </{2}>", "<{0}> of line {1} has not ended where </{2}> stands"),
        ("Premature end of data in tag (.*?) line ([0-9]+)", _CUT[0] + "：第 {1} 行的 <{0}> 没有结束", _CUT[1] + ": <{0}> of line {1} has no end"),
        ("Couldn't find end of Start Tag (.*?) line ([0-9]+)", "第 {1} 行的标签 <{0} 没有写完", "the tag <{0} of line {1} is not finished"),
        ("expected '>'", "标签没有写完，缺少 >", "a tag is not finished: > is missing"),
        ("AttValue: .* expected", *_QUOTES),
        ("Attribute (.*) redefined", "属性 {0} 重复", "attribute {0} stands twice"),
        ("Namespace prefix (\\S+) ", "前缀 {0} 没有声明（xmlns:{0}）", "the prefix {0} is not declared (xmlns:{0})"),
        ("'(.*)' is not a valid URI", "命名空间 “{0}” 不是正确的 URI", "the namespace “{0}” is no URI"),
        ("Unescaped '<' not allowed", "属性的值里 < 应写作 &lt;", "< in the value of an attribute is written &lt;"),
        ("CData section not finished|Comment not terminated", _CUT[0] + "：CDATA 或注释没有结束", _CUT[1] + ": a CDATA section or comment has no end"),
        ("Invalid bytes in character encoding|not proper UTF-8", "此处的字节不是 UTF-8", "the bytes here are no UTF-8"),
        ("invalid element name|error parsing attribute name", "此处不是元素或属性的名称（< 应写作 &lt;）", "no name of an element or attribute stands here (< is written &lt;)"),
        ("attributes construct error", "属性之间应有空格", "attributes are parted by blanks"),
        ("Specification mandates value for attribute (\\S+)", "属性 {0} 没有值", "attribute {0} has no value"),
        ("Expecting property name enclosed", '此处应是半角引号内的键名（最后一项之后不能有逗号）', "a name in plain double quotes must stand here (no comma behind the last one)"),
        ("Expecting value", "此处应有一个值（文字写在半角双引号之内）", "a value must stand here (a text between plain double quotes)"),
        ("Expecting ':' delimiter", "此处应有半角冒号 :", "a plain colon : must stand here"),
        ("Expecting ',' delimiter", "此处应有半角逗号 , 或结束的括号", "a plain comma , or the closing bracket must stand here"),
        ("Extra data", "结束之后还有多余的内容", "something stands behind the end"),
        ("Invalid control character", "文字里的换行或制表符应写作 \\n、\\t", "a line break or tab in a text is written \\n or \\t"),
        ("Unterminated string", _CUT[0] + "：文字没有结束的引号", _CUT[1] + ": a text has no closing quote"),
        ("Invalid \\\\", "文字里的 \\ 应写作 \\\\", "\\ in a text is written \\\\"),
        ("(\\S+) is no number of JSON", "{0} 不是 JSON 的数字", "{0} is no number of JSON"),
        ("no end record|File is not a zip file", "没有 ZIP 的目录（不是 ZIP，或没有传完）", "it has no list of entries (no ZIP at all, or not sent to its end)"),
    )
)  # fmt: skip
_WHERE = re.compile(r", line ([0-9]+), column ([0-9]+)$")
_MOST = 200  #: characters that are read of a finding at each end: between them a name from the file may be 64 kB long


class _Captured(str):
    """What was found, which a sentence may ask for as the number of a character."""

    def __format__(self, asked: str) -> str:
        return f"U+{int(self):04X}" if asked == "code" and self.isdecimal() else str(self) if not asked else ""


def in_words(said: str) -> tuple[str, str]:
    """What a parser says, in Chinese and English, with the column where it tells one; of a long finding its ends."""
    if len(said) > 2 * _MOST:
        said = f"{said[:_MOST]}…{said[-_MOST:]}"
    where = _WHERE.search(said)
    at = (f"（第 {where[2]} 列）", f" (column {where[2]})") if where else ("", "")
    for found, zh, en in _SAYS:
        if (seen := found.search(said)) is not None:
            facts = [_Captured(each or "") for each in seen.groups()]
            return zh.format(*facts) + at[0], en.format(*facts) + at[1]
    return said, said
