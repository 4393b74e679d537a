"""`tongguan init --production`: ask for what is not given, make the home, and write what is still missing."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path
from shlex import quote

import typer

from tongguan.gateway.cli import context
from tongguan.gateway.cli.context import CommandWrong, t, words
from tongguan.gateway.cli.health.doctor.doctor import findings_here
from tongguan.gateway.cli.health.doctor.finding import FILE, Finding, write_checklist
from tongguan.gateway.cli.output import print_json, print_text, say
from tongguan.gateway.home.production_home import QUESTIONS, Question, make_production_home


def found_production(folder: Path, given: Mapping[str, str]) -> None:
    """Make the home; Wrong names every answer that is missing or wrong when nobody is there to be asked."""
    asked = sys.stdin.isatty() and not context.as_json()
    answers = {q.name: _asked(q, given[q.name]) if asked else given[q.name].strip() for q in QUESTIONS}
    wrong = [told for q in QUESTIONS if (told := _wrong(q, answers[q.name])) is not None]
    if wrong:
        raise CommandWrong("\n".join(zh for zh, _ in wrong), "\n".join(en for _, en in wrong), code=2)
    make_production_home(folder, answers, language=context.language())
    with context.at(folder):
        routes = [
            Finding(f"route {name}", t("还没有试连", "not tried yet"), "tongguan doctor") for name in context.settings().route
        ]
        missing = [*findings_here(), *routes]
        write_checklist(folder, missing)
        _tell(folder, [each for each in missing if not each.ok])


def _asked(question: Question, given: str) -> str:
    """The answer that was given, or that a person types: again until it can be right."""
    answer = given.strip()
    while not answer or _wrong(question, answer) is not None:
        if answer:
            print_text(t(*(_wrong(question, answer) or ("", ""))))
        answer = str(typer.prompt(words(question), default=None if question.needed else "", show_default=False)).strip()
        if not (answer or question.needed):
            break
    return answer


def _wrong(question: Question, answer: str) -> tuple[str, str] | None:
    if not answer:
        zh, en = f"缺少 {question.flag}：{question.zh}", f"{question.flag} is missing: {question.en}"
        return (zh, en) if question.needed else None
    told = question.wrong(answer)
    return None if told is None else (f"{question.flag}：{told[0]}", f"{question.flag}: {told[1]}")


def _tell(folder: Path, missing: list[Finding]) -> None:
    if context.as_json():
        print_json({"home": str(folder), "missing": [{"check": each.check, "do": each.do} for each in missing]})
        return
    place = quote(str(folder.absolute()))
    say(
        f"生产主目录 {folder} 已建好。还缺（{folder / FILE}，用 tongguan doctor --home {place} 逐项核对）：",
        f"production home {folder} is made. Still missing ({folder / FILE}; tongguan doctor --home {place} ticks it off):",
    )
    for each in missing:
        print_text(f"  {each.check}: {each.do}")
