"""Answers of the organisation: `disclosure.yaml` read, compared with its packs and what people signed, and one more."""

import difflib
import hashlib
import json
from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from assets.stores.sign import Signature, canonical
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
# Kind of the act that is signed.
ACT = "disclosure answer"


def read_answers(
    folder: Path,
    packs: Mapping[str, ReportTemplate],
    *,
    sites: Collection[str],
    people: People,
    acts: Sequence[Signature] = (),
) -> tuple[DisclosureAnswer, ...]:
    """All answers of a project; none without the file. packs: by name; acts: of kind ACT, proven. One that says by
    `signed_sha256` that it is signed, is.

    Raises BadConfiguration naming line and key of every answer whose pack, data point, site, unit, author, evidence or
    signature does not fit, and signed ones that are gone.
    """
    path = folder / DISCLOSURE_FILE
    document = load_yaml(path) if path.exists() else {}
    made = validate_document(document, DisclosureFile, str(path))
    signed = {_digest(stated): (each.person_id, stated) for each in acts for stated in [_stated(each)]}
    problems = [
        _problem(document, path, index, key, message)
        for index, answer in enumerate(made.answers)
        for key, message in (
            *misfits(answer, folder, packs, sites=sites, people=people), *_misfit_signature(answer, signed)
        )
    ]  # fmt: skip
    here = {each.signed_sha256 for each in made.answers}
    problems += [
        Problem(file=str(path), line=0, column=0, message=_gone(*signed[each])) for each in signed if each not in here
    ]
    if problems:
        raise BadConfiguration(problems)
    return made.answers


def signed_answer(answer: DisclosureAnswer) -> DisclosureAnswer:
    """The answer as the file holds it once its author signed `stated`."""
    return answer.model_copy(update={"signed_sha256": _digest(answer.stated)})


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
    if answer.evidence and (fault := _misfit_evidence(answer, folder)):
        yield "evidence", fault


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


def _misfit_signature(
    answer: DisclosureAnswer, signed: Mapping[str, tuple[str, Mapping[str, Any]]]
) -> Iterator[tuple[str, str]]:
    """An answer that says that it is signed must be what was signed, and by its author."""
    mark = answer.signed_sha256
    if not mark:
        return
    by, stated = signed.get(mark, ("", {}))
    if by != answer.author:
        yield "signed_sha256", f"no signature of {answer.author} over this answer is kept; {_ANEW}"
    elif mark != _digest(answer.stated):
        yield "signed_sha256", f"{answer.id} is not as {by} signed it ({_answer_text(stated)}); {_ANEW}"


_ANEW = "put it back, or delete it and answer again with 'disclosure answer'"


def _gone(by: str, stated: Mapping[str, Any]) -> str:
    where = ", ".join(str(stated.get(key, "")) for key in ("pack", "site", "year"))
    return f"the answer to {stated.get('id')} of {where} that {by} signed is gone ({_answer_text(stated)}); put it back"


def _answer_text(stated: Mapping[str, Any]) -> str:
    return DisclosureAnswer.model_validate(stated).answer_text


def _stated(act: Signature) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(act.action)["facts"]["answer"]
    return found


def _digest(stated: Mapping[str, Any]) -> str:
    return hashlib.sha256(canonical(dict(stated))).hexdigest()


def _unknown(what: str, name: str, known: Collection[str]) -> str:
    close = difflib.get_close_matches(name, known, n=1)
    hint = f"did you mean {close[0]!r}?" if close else f"there are {', '.join(sorted(known)[:12]) or 'none'}"
    return f"unknown {what} {name!r}; {hint}"


def _problem(document: Any, path: Path, index: int, key: str, message: str) -> Problem:
    line, column = place_of(document, ["answers", index, key])
    return Problem(file=str(path), line=line, column=column, message=f"answers.{index}.{key}: {message}")
