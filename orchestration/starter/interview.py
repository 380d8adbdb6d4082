"""Interview about a new site: the answers, the site file that they make, and open questions."""

import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from assets.readings.drafts.column_kinds import ColumnQuestion
from assets.readings.drafts.places import country_of, currency_of
from assets.sites.placeholders import placeholders
from data_quality.contracts.errors import BadInput
from data_quality.contracts.time import zone
from orchestration.starter.blocks import HEADING, parts
from orchestration.starter.questions import (
    Group,
    Question,
    checked,
    choices_of,
    chosen,
    goes_to,
    groups,
    kind_of,
    open_questions,
    read_answers,
)

# Heat that warms a litre of water by one kelvin, kWh.
_KWH_PER_LITRE_K = 0.001163
_VOLTS = 230.0


def _heat_of_water(litres: float, cold_degc: float, hot_degc: float) -> float:
    return litres * _KWH_PER_LITRE_K * (hot_degc - cold_degc)


def _amperes(power_kw: float, phases: float) -> float:
    return power_kw * 1000 / (_VOLTS * float(phases))


_MADE: Mapping[str, Callable[..., Any]] = {
    "share": lambda percent: percent / 100,
    "number": float,
    "list": lambda value: [value],
    "mean_of_day": lambda kwh: kwh / 24,
    "heat_of_water": _heat_of_water,
    "amperes": _amperes,
}


def figure(how: str, values: Sequence[Any]) -> str:
    """The figure as YAML. how: a name that questions.yaml uses, empty for the answer as it is."""
    made = _MADE[how](*values) if how else values[0]
    if isinstance(made, list):
        return f"[{', '.join(map(_text, made))}]"
    return _text(made)


def _text(value: Any) -> str:
    if isinstance(value, int | float):
        return f"{value:.6g}"
    text = str(value)
    # A clock without quotes would be a number of YAML 1.1.
    return f'"{text}"' if ":" in text else text


ASKED = "PLACEHOLDER"
# Further lines of a device's block, by key, by the device's name: its meter, the driver of its state.
Extras = Mapping[str, Mapping[str, str]]
_LINE = re.compile(r"^(?P<lead>\s*(?:- )?)(?P<key>\w+):(?P<value>[^#]*?)(?P<note>\s*#.*)?$")


def answered(text: str, answers: Mapping[str, Any], extras: Extras | None = None) -> str:
    """The site file with what the answers say. extras: further lines of a device's block, by the device's name.

    A block whose needed answers are not all there stays a comment, with the word PLACEHOLDER where one is missing.
    """
    begun = [each for each in chosen(answers) if _is_begun(each, answers)]
    # The groups whose needed answers are there; what goes with a tariff needs one.
    ready = [each for each in begun if all(one.id in answers for one in each.questions if one.is_needed)]
    is_priced = any(each.when.get("price") == answers.get("price", "") for each in ready)
    complete = [each for each in ready if each.when.get("price") != "any" or is_priced]
    heads = {name for group in complete for name in group.blocks[:-1]}
    lines: list[str] = []
    for part in parts(text):
        if isinstance(part, str):
            lines.append(part)
            continue
        own = [group for group in begun if group.blocks and group.blocks[-1] == part.name]
        if part.name in heads:
            lines += part.taken()
        for group in own:
            filled = list(_filled(part.lines, group, answers, (extras or {}).get(group.name, {})))
            lines += (part.taken if group in complete else part.commented)(
                group.name if group.is_device else "", filled
            )
        if not own and part.name not in heads:
            # What the answers chose against waits for nobody.
            is_closed = any(part.name in each.blocks and each.when.keys() & answers.keys() for each in groups())
            kept = [re.sub(rf"\s*# {ASKED}:.*", "", line) if is_closed else line for line in part.lines]
            lines += part.commented(lines=kept)
    return "\n".join(_with_site(lines, groups()[0], answers)) + "\n"


def _is_begun(group: Group, answers: Mapping[str, Any]) -> bool:
    """Somebody named it; what nothing names, or any price, waits until one of its own questions is answered."""
    is_named = group.when.get("price", "any" if not group.when else "") != "any"
    return is_named or any(each.id in answers for each in group.questions)


def _filled(lines: Sequence[str], group: Group, answers: Mapping[str, Any], extra: Mapping[str, str]) -> Iterator[str]:
    by_key = {each.key: each for each in group.questions if each.key}
    made = {each.key: each for each in group.makes}
    for line in lines:
        found = _LINE.match(line)
        key = found["key"] if found else ""
        if found is None or key in group.drops:
            if found is None:
                yield line
        elif key == "asset_id":
            yield f"{found['lead']}asset_id: {group.name}"
        elif key in made and all(name in answers for name in made[key].of):
            yield f"{found['lead']}{key}: {figure(made[key].how, [answers[name] for name in made[key].of])}"
        elif key in made:
            yield from _open(found, by_key.get(key), [each for each in made[key].of if each not in answers])
        elif key not in by_key:
            yield line
        elif by_key[key].id in answers:
            note = "" if ASKED in (found["note"] or "") else found["note"] or ""
            yield f"{found['lead']}{key}: {figure(by_key[key].how, [answers[by_key[key].id]])}{note}"
        else:
            yield from _open(found, by_key[key], [by_key[key].id])
        if found is not None and key == "kind":
            answers_now = {**extra} | (
                {"template": answers[f"{group.name}_template"]} if f"{group.name}_template" in answers else {}
            )
            yield from (f"{found['lead']}{name}: {value}" for name, value in answers_now.items())


def _open(found: re.Match[str], question: Question | None, missing: Sequence[str]) -> Iterator[str]:
    """A line whose answer is missing: a comment where the block does without it."""
    asks = question.ask if question is not None else ", ".join(missing)
    if question is None or question.is_needed:
        yield f"{found['lead']}{found['key']}: …   # {ASKED}: {asks}"
    else:
        yield f"{found['lead']}# {found['key']}: {found['value'].strip()}   # {ASKED}: {asks}"


def _with_site(lines: list[str], site: Group, answers: Mapping[str, Any]) -> Iterator[str]:
    """The keys at the head of the file."""
    keys = {each.key: answers[each.id] for each in site.questions if each.key and each.id in answers}
    for line in lines:
        key = line.removeprefix("# ").partition(":")[0]
        if key in keys:
            value = keys.pop(key)
            yield f"{key}: {json.dumps(value, ensure_ascii=False) if key == 'name' else value}"
        elif not (line.startswith("subdivision:") and "country" in answers):
            yield line


def place_in(text: str, group: Group, question: Question) -> tuple[int, int]:
    """Line and column where the answer goes, from 1; of the block's heading where its line is still to be written."""
    own = group.name if group.is_device else (group.blocks[-1] if group.blocks else "")
    key = question.key or {"devices": "assets", "price": "tariffs"}.get(question.id, "")
    at, inside = (0, 0), not own
    for number, line in enumerate(text.splitlines(), start=1):
        heading = HEADING.match(line)
        if heading is not None:
            if own and inside:
                break
            inside = not own or heading[2] in (own, group.blocks[-1])
            at = (number, len(heading[1]) + 1) if own and inside else at
            continue
        plain = re.sub(r"^[\s#-]*", "", line)
        if inside and plain.startswith(f"{key}:"):
            return number, len(line) - len(plain) + 1
    return at


@dataclass
class Interview:
    """given: answers as they stand in `file`, whose document has their places; answers: those that were checked."""

    given: dict[str, Any] = field(default_factory=dict)
    document: Any = None
    file: str = ""
    tz: str | None = None
    answers: dict[str, Any] = field(default_factory=dict)
    currency: str = ""
    columns: tuple[ColumnQuestion, ...] = ()
    # Puts a question to a person and gives what they write; None where nobody sits there.
    ask: Callable[[str], str] | None = None

    @classmethod
    def of(cls, path: Path | None, *, tz: str | None, ask: Callable[[str], str] | None = None) -> "Interview":
        """The answers of a file, or none. Raises BadInput for a file that holds none and for an unknown zone."""
        if tz is not None:
            zone(tz)
        given, document = read_answers(path) if path is not None else ({}, None)
        known = given.get("time_zone")
        if tz is not None and known not in (None, tz):
            message = f"--tz is {tz}, and the answer 'time_zone' is {known}: which is it?"
            raise BadInput(message, file=str(path), reason="bad_answer")
        return cls(given, document, str(path or ""), tz, ask=ask)

    @property
    def time_zone(self) -> str:
        """The site's zone as far as it was said; empty where it was not."""
        return self.tz or str(self.given.get("time_zone") or "")

    def filled(
        self, text: str, *, currency: str, known: dict[str, str] | None = None, extras: Extras | None = None
    ) -> str:
        """The site file with the answers in it. currency: what the file takes for granted; known: answers that the
        files give; extras: as `answered` has them. Raises BadInput.
        """
        given = _of_zone(self.time_zone) | (known or {}) | self.given
        self.currency = str(given.get("currency") or currency)
        if self.ask is not None:
            self._ask_all(given)
        more = [Question(id=each.id, ask=each.text, choices=each.answers) for each in self.columns]
        self.answers = checked(given, more, currency=self.currency, place=self.document, file=self.file)
        return answered(text, self.answers, extras)

    def ask_columns(self, columns: Iterable[ColumnQuestion]) -> bool:
        """Put what is open of the columns; whether anything was answered."""
        before = len(self.given)
        for each in columns if self.ask is not None else ():
            self._put(Question(id=each.id, ask=each.text, choices=each.answers), self.given, "", "")
        return len(self.given) > before

    def _ask_all(self, given: dict[str, Any]) -> None:
        """Put every question that the answers so far lead to; an empty line leaves one open."""
        put: set[str] = set()

        def following() -> tuple[Group, Question] | None:
            every = ((group, each) for group in chosen(given) for each in group.questions)
            return next((pair for pair in every if pair[1].id not in given and pair[1].id not in put), None)

        while (pair := following()) is not None:
            group, question = pair
            put.add(question.id)
            self._put(question, given, self.currency, kind_of(group))
            if question.id == "time_zone":
                given |= _of_zone(given.get("time_zone", "")) | given
            self.currency = given.get("currency", self.currency)

    def _put(self, question: Question, given: dict[str, Any], currency: str, kind: str) -> None:
        assert self.ask is not None  # noqa: S101 - who calls it knows
        expected = question.expected(currency, kind)
        text = f"{question.ask} [{expected}; nothing: leave it open]"
        while written := self.ask(text):
            value: Any = re.split(r"[,\s]+", written) if question.several else written
            try:
                question.value(value, currency, kind)
            except (ValueError, BadInput) as fault:
                text = f"{fault}; expected {expected}:"
                continue
            given[question.id] = value
            return

    def open_in(self, site_file: Path) -> list[dict[str, Any]]:
        """Open questions of the site file made from it, in the order of its lines."""
        text, marks = site_file.read_text(encoding="utf-8"), {each["line"]: each for each in marked(site_file)}
        rows, waiting = [], [each for each in self.columns if each.id not in self.answers]
        for mark in marks.values():
            column = next((each for each in waiting if each.text in mark["question"]), None)
            if column is not None:
                waiting.remove(column)
                mark |= {"id": column.id, "answers": list(column.answers), "about": "column", "is_needed": True}
        for group, question in open_questions(self.answers):
            line, at = place_in(text, group, question)
            place = {"file": str(site_file), "line": line, "column": at, "is_marked": False}
            # At its mark the question reads as it does in the file.
            here = {key: marks[line][key] for key in (*place, "question")} if line in marks else place
            marks.pop(line, None)
            rows.append(asked_of(group, question, self.currency) | here)
        return sorted([*marks.values(), *rows], key=lambda each: each["line"])


def _of_zone(time_zone: str) -> dict[str, str]:
    """The answers that a zone gives; none of one that nobody named."""
    country = country_of(time_zone) if time_zone else ""
    found = {"time_zone": time_zone, "country": country, "currency": currency_of(country)}
    return {key: value for key, value in found.items() if value}


def asked_of(group: Group, question: Question, currency: str) -> dict[str, Any]:
    """One question of the table as a program reads it."""
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
