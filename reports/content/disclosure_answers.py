"""Answers of the organisation: the file `disclosure.yaml` read, compared with its packs, and one answer more."""

import difflib
import hashlib
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import Any

from data_quality.contracts.errors import BadInput
from data_quality.contracts.people import People, Role
from data_quality.contracts.reporting.disclosure import DisclosureAnswer, DisclosureFile
from data_quality.contracts.reporting.report_template import DatumSpec, ReportTemplate
from data_quality.contracts.yaml_file import (
    BadConfiguration,
    Problem,
    load_yaml,
    place_of,
    text_of,
    validate_document,
    with_item,
    yaml_text,
)

DISCLOSURE_FILE = "disclosure.yaml"
_NEW = "# Answers of the organisation to data points; of several to one, the last counts.\nanswers: []\n"
# Who may answer for the organisation.
ANSWERS = Role.ANALYST


def read_answers(
    folder: Path, packs: Mapping[str, ReportTemplate], *, sites: Collection[str], people: People
) -> tuple[DisclosureAnswer, ...]:
    """All answers of a project; none without the file. packs: by name. Raises BadConfiguration naming line and key of
    every answer whose pack, data point, site, unit, author or evidence does not fit.
    """
    path = folder / DISCLOSURE_FILE
    if not path.exists():
        return ()
    document = load_yaml(path)
    made = validate_document(document, DisclosureFile, str(path))
    problems = [
        _problem(document, path, index, key, message)
        for index, answer in enumerate(made.answers)
        for key, message in misfits(answer, folder, packs, sites=sites, people=people)
    ]
    if problems:
        raise BadConfiguration(problems)
    return made.answers


def misfits(
    answer: DisclosureAnswer,
    folder: Path,
    packs: Mapping[str, ReportTemplate],
    *,
    sites: Collection[str],
    people: People,
) -> Iterator[tuple[str, str]]:
    """Key and sentence of everything in an answer that does not fit."""
    if answer.pack not in packs:
        yield "pack", _unknown("pack", answer.pack, packs)
        return
    points = {point.key: point for point in packs[answer.pack].points}
    if answer.id not in points:
        yield "id", _unknown("data point", answer.id, points)
    else:
        yield from _misfit_words(answer, points[answer.id])
    if answer.site not in sites:
        yield "site", _unknown("site", answer.site, sites)
    yield from _misfit_author(answer, people)
    if answer.evidence and (said := _misfit_evidence(answer, folder)):
        yield "evidence", said


def with_answer(folder: Path, answer: DisclosureAnswer) -> str:
    """The text of the project's file with one answer more; every other byte stays. Raises BadInput."""
    path = folder / DISCLOSURE_FILE
    text = text_of(path) if path.exists() else _NEW
    dumped: dict[str, Any] = answer.model_dump(mode="json", exclude_defaults=True)
    return with_item(text, "answers", yaml_text(dumped), file=str(path))


def evidence_sha256(folder: Path, evidence: str) -> str:
    """Hash of a file below the project's folder. Raises BadInput where there is none."""
    place = (folder / evidence).resolve()
    if not place.is_relative_to(folder.resolve()) or not place.is_file():
        raise BadInput(f"evidence: expected a file below the project's folder, got {evidence!r}", reason="no_evidence")
    return hashlib.sha256(place.read_bytes()).hexdigest()


def _misfit_words(answer: DisclosureAnswer, point: DatumSpec) -> Iterator[tuple[str, str]]:
    if answer.not_applicable:
        return
    is_number = point.kind in {"figure", "table"}
    if is_number and answer.value is None:
        yield "text", f"{answer.id} is a number in {point.answer_unit}, not words"
    elif is_number and answer.unit != point.answer_unit:
        yield "unit", f"{answer.id} is answered in {point.answer_unit}, got {answer.unit or 'no unit'!r}"
    elif not is_number and answer.value is not None:
        yield "value", f"{answer.id} is answered in words (`text`), not by a number"
    elif point.choices and answer.text not in point.choices:
        yield "text", f"{answer.id} is one of {', '.join(point.choices)}, got {answer.text!r}"


def _misfit_author(answer: DisclosureAnswer, people: People) -> Iterator[tuple[str, str]]:
    known = {person.person_id: person for person in people.people}
    if answer.author not in known:
        yield "author", _unknown("person", answer.author, known)
    elif ANSWERS not in known[answer.author].roles:
        yield "author", f"{answer.author} has not the role {ANSWERS.value!r}, which answers for the organisation"
    elif (sites := known[answer.author].sites) and answer.site not in sites:
        yield "author", f"{answer.author} sees the sites {', '.join(sites)}, not {answer.site!r}"


def _misfit_evidence(answer: DisclosureAnswer, folder: Path) -> str:
    try:
        found = evidence_sha256(folder, answer.evidence)
    except BadInput as fault:
        return fault.message.removeprefix("evidence: ")
    is_other = bool(answer.evidence_sha256) and found != answer.evidence_sha256
    return f"{answer.evidence} is no longer the file that the answer rests on" if is_other else ""


def _unknown(what: str, name: str, known: Collection[str]) -> str:
    close = difflib.get_close_matches(name, known, n=1)
    hint = f"did you mean {close[0]!r}?" if close else f"there are {', '.join(sorted(known)[:12]) or 'none'}"
    return f"unknown {what} {name!r}; {hint}"


def _problem(document: Any, path: Path, index: int, key: str, message: str) -> Problem:
    line, column = place_of(document, ["answers", index, key])
    return Problem(file=str(path), line=line, column=column, message=f"answers.{index}.{key}: {message}")
