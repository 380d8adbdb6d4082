"""Report templates by name: those of the package and those of a project's `reports/templates` folder."""

import difflib
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from functools import lru_cache
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from data_quality.contracts.errors import BadInput
from data_quality.contracts.quick_yaml import NotEveryday, quick_yaml
from data_quality.contracts.reporting.report_template import (
    BlockSpec,
    ReportTemplate,
    SectionSpec,
    is_of,
    parse_question,
)
from data_quality.contracts.time import Period
from data_quality.contracts.yaml_file import BadConfiguration, Problem, load_yaml, place_of, validate_document
from reports.datasets.dataset_registry import FACTS, MEASURES

BUILT_IN = Path(__file__).resolve().parent.parent / "templates"
FOLDER, PACKS = "templates", "packs"
_FRAMEWORK = b"framework"
# Between the names of two packs that are asked for together.
BESIDE = "_to_"


def template_files(project_reports: Path | None = None) -> dict[str, Path]:
    """Template name -> file, packs of data points among them. A project's own file comes before the package's."""
    folders = [BUILT_IN, *([] if project_reports is None else [project_reports / FOLDER])]
    places = [place for each in folders for place in (each, each / PACKS)]
    return {path.stem: path for place in places for path in sorted(place.glob("*.yaml"))}


def load_template(name: str, project_reports: Path | None = None) -> ReportTemplate:
    """The template of that name; EARLIER_to_LATER of two packs with a bridge is both side by side.

    Raises BadInput naming those there are, or every fault of the file with its place.
    """
    files = template_files(project_reports)
    earlier, _, later = name.partition(BESIDE)
    if name not in files and {earlier, later} <= set(files):
        return side_by_side(read_template(files[earlier]), read_template(files[later]))
    if name not in files:
        known = sorted(files)
        close = difflib.get_close_matches(name, known, n=1)
        raise BadInput(
            f"unknown report {name!r}; there are {', '.join(known)}",
            reason="unknown_report",
            mend=f"did you mean {close[0]!r}?" if close else "",
        )
    return read_template(files[name])


def side_by_side(earlier: ReportTemplate, later: ReportTemplate) -> ReportTemplate:
    """Both packs as one, for periods that either may be used for. Raises BadInput for packs without a bridge between
    them, and for a bridge that names what the earlier one has not.
    """
    was, now = earlier.framework, later.framework
    bridge = None if now is None else now.bridge
    if was is None or now is None or bridge is None or bridge.pack != earlier.template:
        message = f"{later.template} has no bridge from {earlier.template}"
        raise BadInput(message, reason="no_bridge", mend="`bridge` of a pack's framework names the earlier pack")
    for named in (name for pair in bridge.pairs for name in pair.was):
        if not any(is_of(point.id, named) for point in earlier.points):
            message = f"{later.template}: bridge: {named!r} is no data point of {earlier.template}"
            raise BadInput(message, reason="no_bridge")
    framework = now.model_copy(
        update={
            "edition": f"{was.edition}+{now.edition}", "checked": None, "early_from": None,
            "applies_from": max(was.applies_from, now.early_from or now.applies_from),
            "until": min((each.until for each in (was, now) if each.until is not None), default=None),
        }
    )  # fmt: skip
    texts = {each: f"{earlier.titles[each]}; {later.titles[each]}" for each in earlier.titles if each in later.titles}
    return later.model_copy(
        update={
            "template": f"{earlier.template}{BESIDE}{later.template}", "titles": texts, "framework": framework,
            "needs": tuple(dict.fromkeys([*earlier.needs, *later.needs])),
            "sections": (*_under_name(earlier), *_under_name(later, is_first=False)),
        }
    )  # fmt: skip


def _under_name(pack: ReportTemplate, *, is_first: bool = True) -> list[SectionSpec]:
    """Sections of a pack beside another's: their keys begin with its name, and findings stand once."""

    def named(block: BlockSpec) -> BlockSpec:
        contents = {kind: each for kind in ("table", "chart", "data") if (each := getattr(block, kind)) is not None}
        keys = {kind: each.model_copy(update={"key": f"{pack.template}_{each.key}"}) for kind, each in contents.items()}
        return block.model_copy(update=keys)

    found = []
    for section in pack.sections:
        blocks = [named(each) for each in section.blocks if is_first or each.findings is None]
        found.append(section.model_copy(update={"key": f"{pack.template}_{section.key}", "blocks": tuple(blocks)}))
    return found


def packs_of(project_reports: Path | None = None) -> dict[str, ReportTemplate]:
    """Packs of data points by name, a project's own among them. Raises as `read_template`."""
    files = template_files(project_reports)
    # Other templates are not read: a file without the word has no such key, and reading all costs more than a report.
    found = {name: read_template(path) for name, path in files.items() if _FRAMEWORK in path.read_bytes()}
    return {name: each for name, each in found.items() if each.framework is not None}


def load_edition(
    name: str, project_reports: Path | None = None, *, period: Period | None = None, edition: str = ""
) -> ReportTemplate:
    """The template of that name; of a pack, its edition. Raises BadInput for an edition that there is not, and for a
    period that it is not for. An edition that is asked for by name may be used as early as it allows.
    """
    template = load_template(name, project_reports)
    if (framework := template.framework) is None:
        if edition:
            raise BadInput(f"report {name!r} has no editions", reason="bad_edition")
        return template
    others = [
        each
        for each in packs_of(project_reports).values()
        if each.framework is not None and each.framework.name == framework.name
    ]
    by_edition = {each.framework.edition: each for each in [template, *others] if each.framework is not None}
    if edition and edition not in by_edition:
        known = ", ".join(sorted(by_edition))
        raise BadInput(f"{framework.name} has no edition {edition!r}; there are {known}", reason="bad_edition")
    chosen = by_edition[edition] if edition and edition != framework.edition else template
    if period is not None:
        _refuse_outside(chosen, period, by_edition.values(), is_named=bool(edition))
    return chosen


def _refuse_outside(
    template: ReportTemplate, period: Period, others: Iterable[ReportTemplate], *, is_named: bool
) -> None:
    framework = template.framework
    if framework is None or framework.holds(period.start, is_early=is_named):
        return
    fits = [each.template for each in others if each.framework is not None and each.framework.holds(period.start)]
    until = "" if framework.until is None else f" and before {framework.until}"
    raise BadInput(
        f"edition {framework.edition!r} of {framework.name} is for periods that begin from "
        f"{framework.applies_from} on{until}, not for {period.label or period.start}",
        reason="bad_edition",
        mend=f"report {fits[0]} is for it" if fits else "",
    )


def read_template(path: Path) -> ReportTemplate:
    """One template file. Raises BadConfiguration: unknown key, measure or fact, with file, line and what was meant."""
    stat = path.stat()
    # Time and size are part of the question: an edited template is read again in the same process.
    return _read(path, stat.st_mtime_ns, stat.st_size)


@lru_cache(maxsize=64)
def _read(path: Path, _changed_ns: int, _size: int) -> ReportTemplate:
    """As `read_template`; a thousand sites ask for the same file."""
    with suppress(NotEveryday, ValidationError):
        plain = quick_yaml(path.read_text(encoding="utf-8"))
        quick = ReportTemplate.model_validate(plain)
        if quick.template == path.stem and all(
            _is_known(text, is_fact=is_fact) for _, text, is_fact in _questions(plain)
        ):
            return quick
    # What is wrong, and where.
    document = load_yaml(path)
    made = validate_document(document, ReportTemplate, str(path))
    problems = [
        _problem(document, path, place, text, is_fact=is_fact)
        for place, text, is_fact in _questions(document)
        if not _is_known(text, is_fact=is_fact)
    ]
    # Printed reports are found by the template's name: under two names one of them would be lost.
    if made.template != path.stem:
        line, column = place_of(document, ["template"])
        message = f"template: the file is called {path.stem!r}, the template {made.template!r}; give both one name"
        problems.append(Problem(file=str(path), line=line, column=column, message=message))
    if problems:
        raise BadConfiguration(sorted(problems, key=lambda each: (each.line, each.column)))
    return made


def _is_known(text: str, *, is_fact: bool) -> bool:
    question = parse_question(text)
    known: Mapping[str, Any] = FACTS if is_fact else MEASURES
    return question.dataset in known and question.measure in known[question.dataset]


def _problem(document: Any, path: Path, place: list[str | int], text: str, *, is_fact: bool) -> Problem:
    question, known = parse_question(text), FACTS if is_fact else MEASURES
    line, column = place_of(document, place)
    kind = "fact" if is_fact else "measure"
    every = [f"{dataset}.{name}" for dataset in known for name in known[dataset]]
    close = difflib.get_close_matches(f"{question.dataset}.{question.measure}", every, n=1)
    if question.dataset not in known:
        message, mend = f"unknown dataset {question.dataset!r}", f"there are {', '.join(known)}"
    else:
        message = f"dataset {question.dataset!r} has no {kind} {question.measure!r}"
        mend = f"it has {', '.join(known[question.dataset])}"
    return Problem(
        file=str(path), line=line, column=column, message=message, mend=f"did you mean {close[0]!r}?" if close else mend
    )


def _questions(node: Any, place: tuple[str | int, ...] = ()) -> Iterator[tuple[list[str | int], str, bool]]:
    """Every question of a document with its place: values of `value`, `of`, `scale`, `fact` and `facts`."""
    if isinstance(node, Mapping):
        for key, value in node.items():
            here = (*place, str(key))
            if key in {"value", "fact"} and isinstance(value, str):
                yield list(here), value, key == "fact"
            elif key in {"of", "scale"} and isinstance(value, list):
                for index, each in enumerate(value):
                    yield [*here, index], str(each), False
            elif key == "facts" and isinstance(value, Mapping):
                yield from (([*here, str(name)], str(each), True) for name, each in value.items())
            else:
                yield from _questions(value, here)
    elif isinstance(node, list):
        for index, value in enumerate(node):
            yield from _questions(value, (*place, index))
