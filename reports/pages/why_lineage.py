"""The lineage of a number: itself, its calculation, what that takes, and the files behind; one way through it is on."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import NamedTuple

from data_quality.contracts.reporting.figure import Figure, TraceInput
from data_quality.contracts.sentence import Sentence, Text
from data_quality.contracts.time import local_day
from reports.figures.trace import TraceReport
from reports.figures.unnamed import PEERS
from reports.pages.address import Address
from reports.recompute.figure_sources import DEFINITION_ID, parse_span
from reports.svg.lineage import Node, lineage_svg, narrow_svg
from reports.texts.locales import (
    format_alike,
    moment,
    named,
    page_word,
    period_text,
    rules_of,
    short_date,
    unit_text,
    written,
)
from reports.writer import words

HEADS = ("Figure", "Calculation", "Inputs", "Source files")
TITLE = "From figure to source file"
_DIGEST = 16


class SourceFile(NamedTuple):
    """A file whose readings stand behind a number: how many, in which lines, when it was read. lakes: ids of the spans
    of readings that it is in.
    """

    name: str
    sha256: str
    rows: int
    first_line: int | None
    last_line: int | None
    recorded_at_utc: datetime
    lakes: frozenset[str]


class Drawn(NamedTuple):
    """The nodes drawn: the figures from itself on, the inputs that are no figures, files, and the one that is chosen.
    labels: what each figure is called, hrefs: where each leads, by figure_id. when: the span of the first.
    """

    found: TraceReport
    graph: Sequence[Figure]
    files: Sequence[SourceFile]
    file: str
    formula: str
    labels: Mapping[str, Text]
    hrefs: Mapping[str, str]
    when: Text
    is_kept: bool
    time_zone: str


def lineage_of(drawn: Drawn, address: Address, caption: Text) -> str:
    """The drawing in the address's language, for wide screens and for phones."""
    locale = address.locale

    def word(text: Text) -> str:
        return page_word(text, locale)

    nodes, heads = _nodes(drawn, address), [word(each) for each in HEADS]
    return "".join(
        draw(
            word(TITLE), word(caption), heads, nodes, others=lambda count: word(Sentence("and {0} others", count)),
            is_mirrored=rules_of(locale).is_right_to_left,
        )
        for draw in (lineage_svg, narrow_svg)
    )  # fmt: skip


def _nodes(drawn: Drawn, address: Address) -> list[Node]:
    figure, locale = drawn.graph[0], address.locale
    direct = [_key(each) for each in figure.trace.inputs]
    parts = {each.figure_id: each for each in drawn.graph[1:] if each.figure_id in direct}
    sources = {_key(each): each for each in drawn.found.inputs if each.kind != "figure"}
    behind = {each.figure_id: _sources_of(each, drawn.graph) for each in parts.values()}
    chosen = next((each for each in drawn.files if each.name == drawn.file), None) or next(iter(drawn.files), None)
    on = _way(figure, chosen, parts, sources, behind)
    files = [_file(each, drawn, address, is_on=each is chosen) for each in drawn.files]
    equal = "Recomputed: equal" if drawn.found.is_equal else "Recomputed: not equal"
    code = figure.figure_id if drawn.is_kept else ""
    lines = tuple(page_word(each, locale) for each in (drawn.when, equal))
    known = Node("figure", 0, _title(figure, drawn, locale), _value(figure, locale), lines, code, ("calculation",),
                 is_on=True)  # fmt: skip
    name = figure.trace.computation
    version = drawn.found.versions.get(f"code/{name}", "")
    formula = (page_word(drawn.formula, locale),) if drawn.formula else ()
    how = Node("calculation", 1, _capital(page_word(Sentence(words(name)), locale)), "", formula, version,
               tuple(direct), is_on=True)  # fmt: skip
    inputs = []
    for each in parts.values():
        keys = behind[each.figure_id]
        inputs.append(_part(each, drawn, address, on, [*keys, *_files_of(keys, sources, drawn)]))
    direct_sources = [key for key in direct if key in sources]
    inputs += [_source(key, sources[key], 2, on, _files_of([key], sources, drawn), locale) for key in direct_sources]
    rest = [key for key in sources if key not in direct]
    return [known, how, *inputs, *files, *(_source(key, sources[key], 3, on, [], locale) for key in rest
                                           if sources[key].kind != "lake" or not files)]  # fmt: skip


def _way(
    figure: Figure,
    chosen: SourceFile | None,
    parts: Mapping[str, Figure],
    sources: Mapping[str, TraceInput],
    behind: Mapping[str, Sequence[str]],
) -> frozenset[str]:
    """Keys of the inputs between the calculation and the chosen file; without a file the first input's."""
    direct = [_key(each) for each in figure.trace.inputs]
    if chosen is None:
        return frozenset(direct[:1])
    lakes = {key for key, each in sources.items() if each.id in chosen.lakes}
    return frozenset(key for key in direct if key in lakes or (key in parts and lakes & set(behind[key])))


def _sources_of(figure: Figure, graph: Sequence[Figure]) -> list[str]:
    """Keys of all that a figure rests on in the end."""
    by_id, found, waiting = {each.figure_id: each for each in graph}, dict[str, None](), [figure]
    while waiting:
        for each in waiting.pop().trace.inputs:
            if each.kind != "figure":
                found[_key(each)] = None
            elif each.id in by_id:
                waiting.append(by_id[each.id])
    return list(found)


def _files_of(keys: Sequence[str], sources: Mapping[str, TraceInput], drawn: Drawn) -> list[str]:
    lakes = {sources[key].id for key in keys if key in sources}
    return [f"file {each.name}" for each in drawn.files if lakes & each.lakes]


def _part(each: Figure, drawn: Drawn, address: Address, on: frozenset[str], made_of: Sequence[str]) -> Node:
    locale = address.locale
    lines = (_value(each, locale), period_text(each.start, each.end, locale, is_short=True))
    return Node(each.figure_id, 2, _title(each, drawn, locale), "", lines, "", tuple(made_of),
                drawn.hrefs.get(each.figure_id, ""), each.figure_id in on)  # fmt: skip


def called(each: TraceInput, locale: str) -> str:
    """An input by name; readings by their span, UTC."""
    if each.kind == "lake":
        begin, end = (moment(at, locale) for at in parse_span(each.id)[1:])
        return named(f"{begin} – {end} UTC")
    # The two ids that the program gave; all others people did.
    return Sentence(words(each.id)) if each.id in {DEFINITION_ID, PEERS} else named(each.id)


def _source(key: str, each: TraceInput, column: int, on: frozenset[str], made_of: Sequence[str], locale: str) -> Node:
    title = _capital(page_word(Sentence(words(each.role)), locale))
    lines = tuple(each for each in (page_word(called(each, locale), locale), each.value) if each)
    return Node(key, column, title, "", lines, each.sha256[:_DIGEST], tuple(made_of), is_on=key in on)


def _file(each: SourceFile, drawn: Drawn, address: Address, *, is_on: bool) -> Node:
    locale = address.locale
    rows = written(f"{each.rows:,}", locale)
    lines = [Sentence("{0} readings", rows)]
    if each.first_line is not None:
        lines = [Sentence("{0} readings, lines {1} to {2}", rows, each.first_line, each.last_line)]
    lines.append(Sentence("received {0}", short_date(local_day(each.recorded_at_utc, drawn.time_zone), locale)))
    href = "" if drawn.file == each.name else address.href(file=each.name, page=None)
    code = f"sha256 {each.sha256[:_DIGEST]}" if each.sha256 else ""
    return Node(
        f"file {each.name}", 3, each.name, "", tuple(page_word(line, locale) for line in lines), code, (), href, is_on
    )


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]


def _key(each: TraceInput) -> str:
    return each.id if each.kind == "figure" else f"{each.role}|{each.id}"


def _title(figure: Figure, drawn: Drawn, locale: str) -> str:
    return page_word(drawn.labels[figure.figure_id], locale)


def _value(figure: Figure, locale: str) -> str:
    [text] = format_alike([figure.value], figure.unit, locale=locale)
    return f"{text} {unit_text(figure.unit)}".strip()
