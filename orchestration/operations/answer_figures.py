"""Numbers of an answer that have no other id: kept with the question that they answer, and made by asking it again."""

import hashlib
import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from functools import lru_cache
from os.path import relpath
from pathlib import Path
from typing import Any, NamedTuple

from pydantic import TypeAdapter
from pydantic_core import PydanticSerializationError

from data_quality.contracts.errors import BadInput
from data_quality.contracts.model import plain
from data_quality.contracts.reporting.figure import Figure, Trace, TraceInput
from data_quality.contracts.settings import SETTINGS_FILE
from orchestration.operations.operation import Call, Operation, Parameter, Written, is_bundle

ANSWER = "answer"
# Names of numbers that a computation makes, and of lists and objects that hold nothing else: amounts, rates of bill
# lines, coefficients of models and how well they fit, bounds of plans. No figures are counts, versions, times, shares
# and scores of readings, and what a file or an option states: prices, factors, limits (docs/ems/uncertainty.md).
MEASURE = re.compile(
    r"value|total|amount|quantity|sum|objective|expected|difference|billed|recomputed|enpi|delta_total"
    r"|(deviation|savings)_percent|without_control|income|penalty|low|high|half_width|costs|by_owner"
    r"|p5|p10|p50|p90|p95|(?!.*_per_)(.*_)?(cost|money|savings?|kwh|kw|kgco2e)"
    r"|rate|above_cheapest|bound|(first_)?gap|gap_alone|energy|demand|wear|coefficients|intercept|standard_error|vif"
    r"|ci_low|ci_high|(f_)?p_value|r2(_adj)?|(cv|pn|r)?rmse(_.*)?|nmbe_.*|mae|bias|bic|rho1|durbin_watson|delta_e"
    r"|discomfort_degree_hours|cycles|(breach|saved|uncertainty)_share|self_consumption"
)


class AnswerFigureIds(NamedTuple):
    """Ids of an answer's numbers by their place in its JSON (RFC 6901). until_utc: how long `trace` takes them."""

    ids: Mapping[str, str]
    until_utc: datetime

    def with_ids(self, document: Mapping[str, Any]) -> dict[str, Any]:
        """The answer's JSON with them."""
        return {**document, "figure_ids": self.ids, "figure_ids_until_utc": plain(self.until_utc)}


def unnamed_numbers(
    document: Any, at: str = "", *, is_measure: bool = False, has_id: bool = False
) -> Iterator[tuple[str, float]]:
    """Place and value of the measures in a document of JSON that stand beside no id of a figure, from above.

    is_measure: the document is named as one, and what it holds are measures where it holds numbers alone (a series).
    """
    if isinstance(document, list):
        # What stands beside a list is no id of each of its rows.
        rows = [(str(row), each, is_measure, has_id and _is_number(each)) for row, each in enumerate(document)]
    elif isinstance(document, dict):
        is_bare = is_measure and all(each is None or _is_number(each) for each in document.values())
        of_names, has_id = _ids_by_name(document), has_id or bool(_own_ids(document))
        rows = [
            (name, each, is_bare or bool(MEASURE.fullmatch(name)), has_id or name in of_names)
            for name, each in document.items()
        ]
    else:
        return
    for name, each, is_one, is_known in rows:
        place = f"{at}/{name.replace('~', '~0').replace('/', '~1')}"
        if not _is_number(each):
            yield from unnamed_numbers(each, place, is_measure=is_one, has_id=is_known)
        elif is_one and not is_known:
            yield place, each


def _is_number(each: Any) -> bool:
    return isinstance(each, int | float) and not isinstance(each, bool)


def _ids_by_name(document: Mapping[str, Any]) -> dict[str, str]:
    """Name of a number in an object -> its id, of those that `figures` beside them has."""
    figures = document.get("figures")
    named = figures.items() if isinstance(figures, dict) else ()
    return {name: each for name, each in named if each and isinstance(each, str)}


def _own_ids(document: Mapping[str, Any]) -> list[str]:
    """Id of the one figure that an object is, or tells of."""
    figure = document.get("figure")
    every = [document.get("figure_id"), figure.get("figure_id") if isinstance(figure, dict) else None]
    return [each for each in every if each and isinstance(each, str)]


def ids_in(document: Any) -> Iterator[str]:
    """All ids of figures in a document of JSON."""
    if isinstance(document, dict):
        yield from (*_own_ids(document), *_ids_by_name(document).values())
    for each in document.values() if isinstance(document, dict) else document if isinstance(document, list) else ():
        yield from ids_in(each)


def store_answer_figures(
    operation: Operation, call: Call, options: Mapping[str, Any], document: Any
) -> AnswerFigureIds | None:
    """Keep the numbers of an answer that have no id yet; None where there are none, or no project to keep them in.

    What somebody signs is stored, and its numbers have ids where it is shown.
    """
    if (call.person and not _is_repeatable(operation, call)) or not (call.folder / SETTINGS_FILE).exists():
        return None
    numbers = list(unnamed_numbers(document))
    if not numbers:
        return None
    # A page of help keeps nothing, and loads none of it.
    from assets.stores.published.requested_figures import RequestedFigures

    try:
        answer = _answer(operation, call, options, numbers)
        until_utc = RequestedFigures(call.places.data_dir).keep([answer], now_utc=call.clock.now_utc())
    except (BadInput, OSError, PydanticSerializationError, UnicodeEncodeError):
        # The answer is whole without: settings that a command of plain files does not read may be broken, a file may
        # be gone by now, and its name may be no text.
        return None
    ids = {at: f"{answer.figure_id}-{row}" for row, (at, _) in enumerate(numbers)}
    return None if until_utc is None else AnswerFigureIds(ids, until_utc)


def _answer(
    operation: Operation, call: Call, options: Mapping[str, Any], numbers: Sequence[tuple[str, float]]
) -> Figure:
    """All numbers of an answer as what is kept of it: its trace has each option as JSON, and digests of files."""
    from assets.stores.file_hashes import file_sha256

    # Of a bundle each field is an option.
    options = {
        name: each
        for of, value in options.items()
        for name, each in (vars(value) if is_bundle(type(value)) else {of: value}).items()
    }
    arguments: dict[str, str] = {}
    files: list[TraceInput] = []
    for each in number_parameters(operation):
        # A shell says what is usual too, an address does not.
        value = options.get(each.name, None if each.is_required else each.default)
        if value is None:
            continue
        for path in value if isinstance(value, list) else [value]:
            if isinstance(path, Path) and path.is_file():
                digest = file_sha256(path)
                files.append(TraceInput(kind="version", id=str(_relative(path, call)), role="file", sha256=digest))
        arguments[each.name] = reader(each.kind).dump_json(placed(value, lambda path: _relative(path, call))).decode()
    question, site = json.dumps(arguments), options.get("site")
    named = {"operation": operation.name, "question": question}
    named |= {"person": call.person} if call.person else {}
    named |= {"site": site} if isinstance(site, str) else {}
    if call.sites:
        # Of their sites who sees some is told otherwise than who sees all: who may read it must see these.
        named["sites"] = json.dumps([site] if isinstance(site, str) else sorted(call.sites))
    # An act is not done again for the sake of a number.
    named |= {} if _is_repeatable(operation, call) else {"act": "true"}
    named["numbers"] = json.dumps(numbers)
    as_of_utc = call.as_of_or_now if call.has_opened else call.as_of_utc or call.clock.now_utc()
    # Instants and folders of a run are in no id: the same question with the same answer is the same number.
    parts = [
        operation.name,
        question,
        named["numbers"],
        named.get("act", ""),
        *([named["sites"]] if call.sites else ()),
        *(f"{each.id}={each.sha256}" for each in files),
    ]
    return Figure(
        figure_id=hashlib.sha256("\x1f".join(parts).encode()).hexdigest()[:16],
        path="",
        label=f"meterloom {operation.name}",
        kpi="",
        scope=f"site:{site}" if isinstance(site, str) else "files",
        start=as_of_utc.date(),
        end=as_of_utc.date() + timedelta(days=1),
        value=None,
        unit="",
        trace=Trace(
            computation=ANSWER, code_sha256="", parameters=named, as_of_utc=as_of_utc, inputs=tuple(files)
        ),
    )  # fmt: skip


def may_repeat(operation: Operation) -> bool:
    """True where its question may be asked again; of one that writes, only where it `may_repeat_in` a project."""
    writes_file = any(isinstance(each.option, Written) and each.is_required for each in operation.parameters)
    return (not operation.takes or "as_of_" in operation.takes or operation.repeats) and not writes_file


def may_repeat_in(operation: Operation) -> bool:
    """True where to ask it again in a project, in nobody's name, leaves what is in it as it is."""
    is_kept = not operation.writes or ("as_of_" in operation.takes and operation.repeats)
    return may_repeat(operation) and is_kept


def _is_repeatable(operation: Operation, call: Call) -> bool:
    """False for what was done in a project, and for what somebody asked who acts."""
    is_read = not call.has_opened or (may_repeat_in(operation) and not (call.person and operation.writes))
    return may_repeat(operation) and is_read


def number_parameters(operation: Operation) -> list[Parameter]:
    """The parameters that make an answer's numbers: all but those that name what to write."""
    return [each for each in operation.parameters if not isinstance(each.option, Written)]


@lru_cache(maxsize=256)
def reader(kind: Any) -> TypeAdapter[Any]:
    """Adapter that writes a parameter's value as JSON and reads it back."""
    return TypeAdapter(kind)


def placed(value: Any, place: Callable[[Path], Path]) -> Any:
    """A parameter's value with its paths where `place` puts them."""
    if isinstance(value, list):
        return [placed(each, place) for each in value]
    return place(value) if isinstance(value, Path) else value


def _relative(path: Path, call: Call) -> Path:
    """A file by its way from the project's folder, so that both can be moved; the name of something else as it is."""
    return Path(relpath(path.resolve(), call.folder.resolve())) if path.exists() else path
