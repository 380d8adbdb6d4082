"""What was answered of a new site, what it makes of the site file, and what is still open there."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from assets.readings.drafts.places import country_of, currency_of
from assets.sites.placeholders import placeholders
from data_quality.contracts.errors import BadInput
from data_quality.contracts.time import zone
from orchestration.starter.fill import answered, place_in
from orchestration.starter.questions import Group, Question, checked, open_questions, read_answers


@dataclass
class Interview:
    """given: answers as they stand in `file`, whose document has their places; answers: those that were checked."""

    given: dict[str, Any] = field(default_factory=dict)
    document: Any = None
    file: str = ""
    tz: str | None = None
    answers: dict[str, Any] = field(default_factory=dict)
    currency: str = ""

    @classmethod
    def of(cls, path: Path | None, *, tz: str | None) -> "Interview":
        """The answers of a file, or none. Raises BadInput for a file that holds none and for an unknown zone."""
        if tz is not None:
            zone(tz)
        given, document = read_answers(path) if path is not None else ({}, None)
        known = given.get("time_zone")
        if tz is not None and known not in (None, tz):
            message = f"--tz is {tz}, and the answer 'time_zone' is {known}: which is it?"
            raise BadInput(message, file=str(path), reason="bad_answer")
        return cls(given, document, str(path or ""), tz)

    @property
    def time_zone(self) -> str:
        """The site's zone as far as it was said; empty where it was not."""
        return self.tz or str(self.given.get("time_zone") or "")

    def filled(self, text: str, *, currency: str) -> str:
        """The site file with the answers in it. currency: what the file takes for granted. Raises BadInput."""
        country = country_of(self.time_zone) if self.time_zone else ""
        of_zone = {"time_zone": self.time_zone, "country": country, "currency": currency_of(country)}
        given = {key: value for key, value in of_zone.items() if value} | self.given
        self.currency = str(given.get("currency") or currency)
        self.answers = checked(given, currency=self.currency, place=self.document, file=self.file)
        return answered(text, self.answers)

    def open_in(self, site_file: Path) -> list[dict[str, Any]]:
        """What is still open in the file that was made of it, in the order of its lines."""
        text, marks = site_file.read_text(encoding="utf-8"), {each["line"]: each for each in marked(site_file)}
        rows = []
        for group, question in open_questions(self.answers):
            line, column = place_in(text, group, question)
            place = {"file": str(site_file), "line": line, "column": column, "is_marked": False}
            mark = marks.pop(line, None)
            # At its mark the question reads as it does in the file.
            here = {key: mark[key] for key in (*place, "question")} if mark else place
            rows.append(asked_of(group, question, self.currency) | here)
        return sorted([*marks.values(), *rows], key=lambda each: each["line"])


def asked_of(group: Group, question: Question, currency: str) -> dict[str, Any]:
    """One question of the table as a program reads it."""
    from orchestration.starter.questions import choices_of, goes_to

    return {
        "id": question.id,
        "question": question.ask,
        "answers": choices_of(question, group),
        "unit": question.unit_in(currency),
        "example": question.example,
        "is_needed": question.is_needed,
        "about": group.name,
        "goes_to": goes_to(question, group),
    }


def marked(site_file: Path) -> Iterator[dict[str, Any]]:
    """The places of a site file that wait for their answer: file, line, column and question."""
    known: dict[str, int] = {}
    lines = site_file.read_text(encoding="utf-8").splitlines()
    for each in placeholders(site_file):
        key = re.sub(r"^[\s#-]*", "", lines[each.line - 1]).partition(":")[0].strip("\"' {}[]").lower()
        name = re.sub(r"[^a-z0-9]+", "_", key).strip("_") or "place"
        known[name] = known.get(name, 0) + 1
        yield {
            "file": each.file,
            "line": each.line,
            "column": each.column,
            "question": each.message.partition(": ")[2],
            "is_marked": True,
            "id": f"file.{name}" + (f"_{known[name]}" if known[name] > 1 else ""),
            "answers": None,
            "unit": "",
            "example": None,
            "is_needed": False,
            "about": "file",
            "goes_to": f"line {each.line}",
        }
