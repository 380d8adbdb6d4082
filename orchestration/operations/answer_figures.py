"""Numbers of an answer that have no other id: kept with the question that they answer, and made by asking it again."""

import hashlib
import json
import re
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime, timedelta
from decimal import Decimal
from functools import lru_cache
from os.path import relpath
from pathlib import Path
from typing import Any, NamedTuple

from pydantic import TypeAdapter
from pydantic_core import PydanticSerializationError

from data_quality.contracts.errors import BadInput
from data_quality.contracts.reporting.figure import Figure, Trace, TraceInput
from data_quality.contracts.settings import SETTINGS_FILE
from orchestration.operations.operation import Call, Operation, Parameter, Written, is_bundle

ANSWER = "answer"
# Names of numbers that say how much, in which unit or currency; no counts, shares, prices a unit, limits or times.
MEASURE = re.compile(
    r"value|total|amount|objective|expected|difference|billed|recomputed|enpi|delta_total|deviation_percent"
    r"|p5|p10|p50|p90|p95|(?!.*_per_)(.*_)?(cost|savings?|kwh|kw|kgco2e)"
)
_UNITS = ("kwh", "kw", "kgco2e", "percent")


class Kept(NamedTuple):
    """Ids of an answer's numbers by their place in its JSON (RFC 6901). until_utc: how long `trace` takes them."""

    ids: Mapping[str, str]
    until_utc: datetime


def unnamed_numbers(said: Any, at: str = "", *, has_ids: bool = False) -> Iterator[tuple[str, float]]:
    """Place and value of the measures in a document of JSON that stand beside no id of a figure."""
    if isinstance(said, list):
        for row, each in enumerate(said):
            # What stands beside a list is no id of each of its rows.
            yield from unnamed_numbers(each, f"{at}/{row}")
    elif isinstance(said, dict):
        has_ids = has_ids or bool(ids_of(said))
        for name, each in said.items():
            place = f"{at}/{name.replace('~', '~0').replace('/', '~1')}"
            if not isinstance(each, int | float) or isinstance(each, bool):
                yield from unnamed_numbers(each, place, has_ids=has_ids)
            elif MEASURE.fullmatch(name) and not has_ids:
                yield place, each


def ids_of(said: Mapping[str, Any]) -> list[str]:
    """Ids that stand beside the numbers of one object: its own, its `figure`'s, or those of its `figures` by name."""
    beside, figure = said.get("figures"), said.get("figure")
    every = [said.get("figure_id"), *(beside.values() if isinstance(beside, dict) else ())]
    every += [figure.get("figure_id")] if isinstance(figure, dict) else []
    return [each for each in every if each and isinstance(each, str)]


def ids_in(said: Any) -> Iterator[str]:
    """All ids of figures in a document of JSON."""
    if isinstance(said, dict):
        yield from ids_of(said)
    for each in said.values() if isinstance(said, dict) else said if isinstance(said, list) else ():
        yield from ids_in(each)


def kept_numbers(operation: Operation, call: Call, options: Mapping[str, Any], said: Any) -> Kept | None:
    """Keep the numbers of an answer that have no id yet; None where there are none, or no project to keep them in.

    An act is not done again for the sake of a number.
    """
    is_act = not may_repeat(operation) or (operation.writes and call.has_opened)
    if is_act or not (call.folder / SETTINGS_FILE).exists():
        return None
    found = dict(unnamed_numbers(said))
    if not found:
        return None
    # A page of help keeps nothing, and loads none of it.
    from assets.stores.published.requested_figures import RequestedFigures

    try:
        trace = _question(operation, call, options)
        figures = {at: _figure(trace, at, value) for at, value in found.items()}
        kept = RequestedFigures(call.places.data_dir)
        until_utc = kept.keep(list(figures.values()), now_utc=call.clock.now_utc())
    except (BadInput, OSError, PydanticSerializationError, UnicodeEncodeError):
        # The answer is whole without: settings that a command of plain files does not read may be broken, a file may
        # be gone by now, and its name may be no text.
        return None
    return None if until_utc is None else Kept({at: each.figure_id for at, each in figures.items()}, until_utc)


def _question(operation: Operation, call: Call, options: Mapping[str, Any]) -> Trace:
    """The question as its trace: each option as JSON, and the files that it names with their digests."""
    # Of a bundle each field is an option.
    options = {
        name: each
        for of, value in options.items()
        for name, each in (vars(value) if is_bundle(type(value)) else {of: value}).items()
    }
    told: dict[str, str] = {}
    files: list[TraceInput] = []
    for each in asked_of(operation):
        value = options.get(each.name)
        if value is None:
            continue
        every = value if isinstance(value, list) else [value]
        files += [_file(path, call) for path in every if isinstance(path, Path) and path.is_file()]
        told[each.name] = reader(each.kind).dump_json(placed(value, lambda path: _beside(path, call))).decode()
    named = {"operation": operation.name, "module": operation.function.__module__, "question": json.dumps(told)}
    if call.person:
        named["person"] = call.person
    if isinstance(site := options.get("site"), str):
        named["site"] = site
    now_utc = call.project.reports.known_at(call.clock) if call.has_opened else call.clock.now_utc()
    as_of_utc = call.as_of_utc or now_utc
    return Trace(computation=ANSWER, code_sha256="", parameters=named, as_of_utc=as_of_utc, inputs=tuple(files))


def _figure(trace: Trace, at: str, value: float) -> Figure:
    named, name = trace.parameters, at.rpartition("/")[2]
    # Instants and folders of a run are in no id: the same question with the same answer is the same number.
    said = [named["operation"], named["question"], at, repr(value), *(f"{x.id}={x.sha256}" for x in trace.inputs)]
    day = trace.as_of_utc.date()
    return Figure(
        figure_id=hashlib.sha256("\x1f".join(said).encode()).hexdigest()[:16],
        path=at,
        label=f"{at.strip('/')} of meterloom {named['operation']}",
        kpi=name,
        scope=f"site:{named['site']}" if "site" in named else "files",
        start=day,
        end=day + timedelta(days=1),
        value=Decimal(repr(value)),
        unit=next((each for each in _UNITS if name.endswith(each)), ""),
        trace=trace.model_copy(update={"parameters": named | {"place": at}}),
    )


def may_repeat(operation: Operation) -> bool:
    """True where its question may be asked again; of one that writes, without a project."""
    is_told_where = any(isinstance(each.option, Written) and each.is_required for each in operation.question.parameters)
    return (not operation.takes or "as_of_" in operation.takes or operation.repeats) and not is_told_where


def asked_of(operation: Operation) -> list[Parameter]:
    """The parameters that make an answer's numbers: all but those that name what to write."""
    return [each for each in operation.question.parameters if not isinstance(each.option, Written)]


@lru_cache(maxsize=256)
def reader(kind: Any) -> TypeAdapter[Any]:
    """What writes a parameter's value as JSON and reads it back."""
    return TypeAdapter(kind)


def placed(value: Any, place: Callable[[Path], Path]) -> Any:
    """A parameter's value with its paths where `place` puts them."""
    if isinstance(value, list):
        return [placed(each, place) for each in value]
    return place(value) if isinstance(value, Path) else value


def digest_of(path: Path) -> str:
    """SHA-256 of a file's content."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _beside(path: Path, call: Call) -> Path:
    """A file by its way from the project's folder, so that both can be moved; the name of something else as it is."""
    return Path(relpath(path.resolve(), call.folder.resolve())) if path.exists() else path


def _file(path: Path, call: Call) -> TraceInput:
    return TraceInput(kind="version", id=str(_beside(path, call)), role="file", sha256=digest_of(path))
