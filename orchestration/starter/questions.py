"""Questions of a new site, as data (questions.yaml), and the check of their answers: all faults at once."""

import re
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any, Literal

from pydantic import Field, JsonValue

from controls.templates.template_rows import TemplateRow, template_rows
from data_quality.contracts.errors import BadInput
from data_quality.contracts.model import Model
from data_quality.contracts.model_faults import did_you_mean
from data_quality.contracts.time import zone
from data_quality.contracts.yaml_file import load_model, load_yaml, place_of, refuse_all
from orchestration.starter.blocks import kind_of_block

HERE = Path(__file__).parent
_NUMBER = re.compile(r"([-+]?\d+(?:\.\d+)?)\s*(.*)")
_FORMS = {
    "currency": (r"[A-Z]{3}", "three capital letters (ISO 4217), as EUR"),
    "country": (r"[A-Z]{2}", "two capital letters (ISO 3166), as DE"),
    "clock": (r"(?:[01]\d|2[0-3]):[0-5]\d", 'a time of day in quotes, as "07:30"'),
    "text": (r"[^\n]{1,200}", "a text of one line"),
}
# How people write units that answers are in.
_UNITS = {"€": "EUR", "%": "percent", "°C": "degC", "°": "deg", "l": "litres", "liter": "litres", "m²": "m2"}


class BlockLine(Model):
    """A line of a block that several answers make."""

    key: str
    of: tuple[str, ...]
    how: str = Field(alias="as")


class Question(Model):
    """One question: see the head of questions.yaml."""

    id: str
    ask: str
    unit: str = ""
    choices: tuple[str, ...] = ()
    several: bool = False
    form: Literal["text", "zone", "currency", "country", "clock", "template", ""] = ""
    least: float | None = None
    most: float | None = None
    above: float | None = None
    only_in: tuple[str, ...] = ()
    more_than: str = ""
    example: JsonValue = None
    key: str = ""
    how: str = Field(default="", alias="as")
    is_needed: bool = False

    def unit_in(self, currency: str) -> str:
        """Its unit, money in the site's currency."""
        return self.unit.replace("money", currency or "currency")

    def expected(self, currency: str, kind: str) -> str:
        """Expected form of an answer, in words. kind: of the device that it is about."""
        if self.form == "template":
            return f"one of {', '.join(templates_of(kind))} (meterloom devices catalogue)"
        if self.form == "zone":
            return "a zone, as Europe/Berlin"
        if self.form:
            return _FORMS[self.form][1]
        if self.choices:
            return f"{'a list of' if self.several else 'one of'} {', '.join(self.choices)}"
        bounds = [
            f"more than {self.above:g}" if self.above is not None else "",
            f"{self.least:g} or more" if self.least is not None else "",
            f"{self.most:g} at most" if self.most is not None and self._is_bounded(currency) else "",
        ]
        return ", ".join(filter(None, [f"a number in {self.unit_in(currency)}", *bounds, f"as {self.example}"]))

    def _is_bounded(self, currency: str) -> bool:
        return not self.only_in or currency in self.only_in

    def value(self, given: Any, currency: str, kind: str) -> Any:
        """The answer as the site file needs it. Raises ValueError naming what is wrong with it."""
        if self.several:
            return _each_once(self, given)
        if self.form == "template":
            return _one_of(templates_of(kind), given)
        if self.form == "zone":
            zone(str(given))
            return str(given)
        if self.form:
            if not isinstance(given, str) or not re.fullmatch(_FORMS[self.form][0], given):
                raise ValueError(f"got {given!r}")
            return given
        return _one_of(self.choices, given) if self.choices else self._number(given, currency)

    def _number(self, given: Any, currency: str) -> float:
        found = None if isinstance(given, bool) else _NUMBER.fullmatch(str(given).strip())
        if found is None:
            raise ValueError(f"got {given!r}")
        value, unit = float(found[1]), found[2]
        for written, code in _UNITS.items():
            unit = re.sub(rf"(?<![\w]){re.escape(written)}(?![\w])", code, unit)
        if unit and unit.lower() != self.unit_in(currency).lower():
            raise ValueError(f"got {given!r}, which is in {unit}")
        is_low = (self.least is not None and value < self.least) or (self.above is not None and value <= self.above)
        if is_low or (self.most is not None and value > self.most and self._is_bounded(currency)):
            raise ValueError(f"got {given!r}")
        return int(value) if value == int(value) else value


class Group(Model):
    """Group of questions: a device, a kind of price. name: of the answers; block: its block in site.yaml."""

    name: str
    when: Mapping[str, str] = {}
    blocks: tuple[str, ...] = ()
    drops: tuple[str, ...] = ()
    makes: tuple[BlockLine, ...] = ()
    questions: tuple[Question, ...]

    @property
    def is_device(self) -> bool:
        """It is one of the devices."""
        return "devices" in self.when

    def called(self, name: str) -> "Group":
        """The same group for a further device of its kind: car_2_kwh beside car_kwh."""

        def own(text: str) -> str:
            return name + text.removeprefix(self.name) if text.startswith(f"{self.name}_") else text

        questions = [
            each.model_copy(update={"id": own(each.id), "more_than": own(each.more_than)}) for each in self.questions
        ]
        makes = [each.model_copy(update={"of": tuple(map(own, each.of))}) for each in self.makes]
        return self.model_copy(update={"name": name, "questions": tuple(questions), "makes": tuple(makes)})


class _Table(Model):
    groups: tuple[Group, ...]


@cache
def groups() -> tuple[Group, ...]:
    """Every group of questions.yaml."""
    return load_model(HERE / "questions.yaml", _Table).groups


def templates_of(kind: str) -> tuple[str, ...]:
    """The templates that drive devices of a kind, simulated ones last."""
    return tuple(each.template for each in _templates() if kind in each.kinds)


@cache
def _templates() -> list[TemplateRow]:
    # Every device's block asks, and each template is a file to parse.
    return sorted(template_rows(), key=lambda each: (each.is_synthetic, each.template))


def kind_of(group: Group) -> str:
    """The kind of device that a group's block makes; empty where it makes none."""
    return kind_of_block(group.blocks[-1]) if group.is_device else ""


def chosen(answers: Mapping[str, Any]) -> list[Group]:
    """The groups that the answers select, each device by its name; devices that nobody named are not among them."""
    found: list[Group] = []
    for group in groups():
        if group.is_device:
            named = [name for name in answers.get("devices", ()) if _base(name) == group.name]
            found += [group if name == group.name else group.called(name) for name in named]
        elif all(_selects(answers.get(key), choice) for key, choice in group.when.items()):
            found.append(group)
    return found


def possible(answers: Mapping[str, Any]) -> list[Group]:
    """The groups that may still be asked about: those chosen, and those whose choice is open."""
    selected = chosen(answers)
    names = [each.name for each in selected]
    return [
        *selected,
        *(each for each in groups() if each.name not in names and not any(key in answers for key in each.when)),
    ]


def _selects(answer: Any, choice: str) -> bool:
    return answer is not None and choice in ("any", answer)


def _base(name: str) -> str:
    return re.sub(r"_[2-9]$", "", name)


def _one_of(choices: Sequence[str], given: Any) -> str:
    if str(given) not in choices or isinstance(given, bool):
        raise ValueError(f"got {given!r}") from BadInput("", mend=did_you_mean(given, list(choices)))
    return str(given)


def _each_once(question: Question, given: Any) -> list[str]:
    if not isinstance(given, list):
        raise ValueError(f"got {given!r}")
    names = [str(each) for each in given]
    for name in names:
        _one_of(question.choices, _base(name))
    twice = next((name for name in names if names.count(name) > 1), "")
    if twice:
        message = f"{twice} appears twice, and each device has an id of its own"
        raise ValueError(message) from BadInput("", mend=f"call the second {_base(twice)}_2")
    return names


def read_answers(path: Path) -> tuple[dict[str, Any], Any]:
    """The answers of a file as they stand there, and its document with their places. Raises BadInput."""
    document = load_yaml(path)
    if not isinstance(document, dict):
        raise BadInput("expected question ids with their answers, as battery_kwh: 10", file=str(path))
    return {str(key): value for key, value in document.items() if value is not None}, document


def checked(
    given: Mapping[str, Any], more: Sequence[Question] = (), *, currency: str = "", place: Any = None, file: str = ""
) -> dict[str, Any]:
    """The answers, each as the site file needs it. more: further questions; place: the file's document.

    Raises BadInput, of all that do not fit: an unknown id, a value of another unit or out of range, an answer about
    what the others do not choose.
    """
    faults: list[BadInput] = []

    def refuse(name: str, message: str, mend: str = "") -> None:
        line, column = place_of(place, (name,)) if place is not None else (0, 0)
        faults.append(BadInput(message, file=file, line=line, column=column, reason="bad_answer", mend=mend))

    found: dict[str, Any] = {}
    by_id = {each.id: (each, None) for each in more}
    # What chooses comes first: what it does not choose is then known.
    for name in ("devices", "price"):
        question = next(each for each in groups()[0].questions if each.id == name)
        if name in given:
            _take(question, given[name], "", "", found, refuse)
    selected = chosen(found)
    every: dict[str, tuple[Question, Group | None]] = {
        each.id: (each, group) for group in (*groups(), *selected) for each in group.questions
    }
    every |= by_id
    in_use = {each.id for group in selected for each in group.questions} | set(by_id)
    money = str(given.get("currency") or currency)
    for name, value in given.items():
        if name in ("devices", "price"):
            continue
        if name not in every:
            mend = did_you_mean(name, list(every)) or "init without --answers lists the questions with --json"
            refuse(name, f"unknown question {name!r}", mend)
        elif name not in in_use and not _is_chooser_wrong(every[name][1], given, found):
            refuse(name, _unused(name, every[name][1]))
        else:
            question, group = every[name]
            _take(question, value, money, kind_of(group) if group else "", found, refuse)
    for group in selected:
        _compare(group, found, refuse)
    refuse_all(faults)
    return found


def _is_chooser_wrong(group: Group | None, given: Mapping[str, Any], found: Mapping[str, Any]) -> bool:
    """Whether the answer that selects the group was refused: then nobody knows whether it is in use."""
    return group is not None and any(key in given and key not in found for key in group.when)


def _unused(name: str, group: Group | None) -> str:
    key, choice = next(iter(group.when.items())) if group else ("", "")
    wanted = f"{key!r} names {choice}" if choice != "any" else f"{key!r} is answered"
    return f"answer {name!r}: expected only where {wanted}"


def _take(question: Question, value: Any, money: str, kind: str, found: dict[str, Any], refuse: Any) -> None:
    try:
        found[question.id] = question.value(value, money, kind)
    except (ValueError, BadInput) as fault:
        mend = fault.__cause__.mend if isinstance(fault.__cause__, BadInput) else ""
        refuse(question.id, f"answer {question.id!r}: {fault}; expected {question.expected(money, kind)}", mend)


def _compare(group: Group, found: Mapping[str, Any], refuse: Any) -> None:
    for each in group.questions:
        low, high = found.get(each.more_than), found.get(each.id)
        if low is not None and high is not None and high <= low:
            refuse(each.id, f"answer {each.id!r}: got {high}; expected more than {each.more_than}, which is {low}")


def open_questions(answers: Mapping[str, Any]) -> Iterator[tuple[Group, Question]]:
    """Questions that are still open, in order."""
    for group in possible(answers):
        yield from ((group, each) for each in group.questions if each.id not in answers)


def choices_of(question: Question, group: Group) -> list[str] | None:
    """Permitted answers, where they are a closed list."""
    if question.form == "template":
        return list(templates_of(kind_of(group)))
    return list(question.choices) or None


def goes_to(question: Question, group: Group) -> str:
    """The place of the site file, in words of its keys."""
    if group.is_device:
        own = question.key if question.key == "template" else f"params.{question.key}"
        return f"assets.{group.name}.{own}"
    if question.id in ("devices", "price"):
        return {"devices": "assets", "price": "tariffs"}[question.id]
    above = {"connection": "meters."}.get(group.name, "tariffs." if group.blocks else "")
    return f"{above}{question.key}"
