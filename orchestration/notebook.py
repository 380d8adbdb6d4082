"""Notebook session: a copy of a project to work in, answers of operations as tables, charts as SVG."""

import os
from collections.abc import Iterable, Mapping, Sequence
from datetime import date, timedelta
from pathlib import Path
from shutil import copytree, ignore_patterns, rmtree
from tempfile import mkdtemp
from typing import NamedTuple
from weakref import finalize

import polars as pl

from assets.stores.backup.store_copy import copy_sqlite
from data_quality.contracts.errors import BadInput
from data_quality.contracts.settings import SETTINGS_FILE, load_project
from data_quality.contracts.text import markdown
from data_quality.contracts.time import local_day, months_after, parse_period
from data_quality.contracts.units import UNITS, Behaviour
from orchestration.operations.answer import Answer, Table
from orchestration.operations.operation import PROJECT_VARIABLE, Call
from reports.render.chart_description import chart_description
from reports.report_content import Chart, Series
from reports.svg.chart_svg import chart_svg

# Where `make demo` makes its project, from the folder of the source and from that of the notebooks.
_USUAL = (Path("demo"), Path("../demo"))
_AMOUNTS = [code for code, unit in UNITS.items() if unit.behaviour is Behaviour.AMOUNT]
_ROLES = ("actual", "expected", "third", "fourth")
# Dagster's records and logs are of the processes of the project that is copied.
_LEFT_OUT = ("dagster", "logs", "run", "store.db*")


class NoProject(BadInput):
    """Refusal of a notebook without a project to copy, shown as one sentence instead of a traceback."""

    def _render_traceback_(self) -> list[str]:
        # IPython asks an exception for its own rendering by this name.
        return [f"{self.message}: {self.mend}"]


class NotebookCall(Call):
    """Call of operations from a notebook, in a copy of a project that goes with the process.

    origin: the project that was copied, which nothing in a notebook changes. Raises NoProject where a copy would write
    outside of its own folder.
    """

    def __init__(self, origin: Path, person: str | None = None) -> None:
        kept = mkdtemp(prefix="meterloom-notebook-")
        # At the latest when the kernel ends.
        finalize(self, rmtree, kept, ignore_errors=True)
        self.origin, folder = origin.resolve(), Path(kept) / origin.resolve().name
        given = load_project(origin, os.environ)
        copied = given.model_copy(update={"root": folder.resolve()})
        # Settings by which a copy would write where its project does. Private keys are only read.
        database, paths = copied.settings.database, copied.settings.paths
        urls = [name for name in type(database).model_fields if name.endswith("url")]
        shared = [f"database.{name}" for name in urls if getattr(database, name)]
        for name, value in paths:
            is_inside = (copied.root / value).resolve().is_relative_to(copied.root) and not value.startswith("s3:")
            shared += [f"paths.{name}"] if name != "keys" and not is_inside else []
        if shared:
            raise NoProject(
                f"a notebook works in a copy, and {', '.join(shared)} of {self.origin.name} would be shared with it",
                reason="shared_project",
                mend="use a project that keeps files in its own folder, such as the demo",
            )
        copytree(origin, folder, ignore=ignore_patterns(*_LEFT_OUT))
        copy_sqlite(given.data_dir / "store.db", copied.data_dir / "store.db")
        super().__init__(folder, person=person)

    @property
    def option(self) -> str:
        """The project in commands that an answer names: the one that was copied."""
        return f" --project {self.origin.name}"

    def tell(self, answer: Answer, most: int = 12) -> "CellOutput":
        """The tables of an answer, of each at most so many rows, and its sentences."""
        text = "\n\n".join(filter(None, (_part(each, answer, most) for each in answer.parts)))
        # The folder of the copy is another each time, and gone with the notebook.
        return as_markdown(text.replace(markdown(str(self.folder)), self.origin.name))

    def last_months(self, site_id: str, count: int = 1) -> str:
        """The last whole calendar months of a site's readings as a period: START/END, END excluded. Raises BadInput."""
        first, end = self._read_days(site_id)
        begin, end = months_after(first, 0 if first.day == 1 else 1), end.replace(day=1)
        if (start := months_after(end, -count)) < begin:
            raise BadInput(f"{site_id} has fewer than {count} whole months of readings", reason="no_month")
        return f"{start}/{end}"

    def last_days(self, site_id: str, count: int) -> str:
        """The last whole days of a site's readings as a period: START/END, END excluded. Raises BadInput."""
        first, end = self._read_days(site_id)
        if (start := end - timedelta(days=count)) < first:
            raise BadInput(f"{site_id} has fewer than {count} whole days of readings", reason="no_days")
        return f"{start}/{end}"

    def _read_days(self, site_id: str) -> tuple[date, date]:
        """First day of readings and the day after the last whole one; both are of UTC, as the lake has them."""
        span = self.project.lake.span(site_id)
        if span is None:
            raise BadInput(f"{site_id} has no readings yet", reason="no_days")
        today = local_day(self.clock.now_utc(), self.project.site(site_id).time_zone)
        return span[0], min(span[1] + timedelta(days=1), today)

    def streams(self, site_id: str, period: str, every: str = "15m") -> pl.DataFrame:
        """Readings of a site as columns by local time `at`: sums of amounts (kWh, m3, count), means of levels (degc).

        A column is a meter's or driver's name, with its register behind a dot where it has several. every: a step of
        Polars, such as 1h or 1d. Nulls are gaps: a step that lacks a reading has no sum, and the mean
        of those that there are.
        """
        time_zone = self.project.site(site_id).time_zone
        span = parse_period(period, time_zone)
        rows = self.project.lake.current(site_id, start_utc=span.start_utc, end_utc=span.end_utc)
        several = pl.col("register").n_unique().over("meter_id") > 1
        name = pl.when(several).then(pl.format("{}.{}", "meter_id", "register")).otherwise("meter_id")
        at = pl.col("interval_start_utc").dt.convert_time_zone(time_zone).dt.truncate(every)
        value = pl.col("value").cast(pl.Float64)
        # A day of which hours are missing has no sum: that of the others would read as its own.
        wanted = (at.first().dt.offset_by(every) - at.first()).dt.total_minutes()
        whole = pl.when(pl.col("interval_minutes").sum() >= wanted).then(value.sum())
        amount = pl.when(pl.col("unit").first().is_in(_AMOUNTS)).then(whole).otherwise(value.mean())
        summed = rows.group_by(at.alias("at"), name.alias("name"), maintain_order=True).agg(amount.alias("value"))
        return summed.pivot(on="name", index="at", values="value").sort("at")


class CellOutput(NamedTuple):
    """Output of a cell: text, and the Markdown or the picture that a notebook shows instead of it."""

    text: str
    markdown: str | None = None
    svg: str | None = None

    def __repr__(self) -> str:
        """The text, by which two runs of a notebook are compared."""
        return self.text

    def _repr_markdown_(self) -> str | None:
        return self.markdown

    def _repr_svg_(self) -> str | None:
        return self.svg


def open_demo(person: str | None = None) -> NotebookCall:
    """A copy of the project that METERLOOM_PROJECT names, or of the one that `make demo` makes.

    person: who acts. Raises NoProject.
    """
    named = os.environ.get(PROJECT_VARIABLE)
    places = (Path(named),) if named else _USUAL
    found = next((each for each in places if (each / SETTINGS_FILE).exists()), None)
    if found is None:
        raise NoProject(
            f"no Meterloom project in {places[0]} (it has no {SETTINGS_FILE})",
            reason="no_project",
            mend=f"make it with 'make demo', or name one with {PROJECT_VARIABLE}=FOLDER",
        )
    return NotebookCall(found, person)


def as_markdown(text: str) -> CellOutput:
    """Markdown text, rendered."""
    return CellOutput(text, markdown=text)


def _part(part: Table | str, answer: Answer, most: int) -> str:
    if isinstance(part, str):
        # Spaces at the head of a line are its place, and each line stays one.
        lines = ((len(line) - len(line.lstrip()), line.strip()) for line in part.split("\n"))
        return "  \n".join(f"{'&emsp;' * (indent // 2)}{markdown(text)}" for indent, text in lines)
    rows = part.cells(answer.result)
    left_out = [f"\n… and {len(rows) - most} more rows"] if len(rows) > most else []
    return "\n".join([*table([*part.columns], rows[:most]), *left_out]) if rows else part.empty


def table(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    """Lines of a Markdown table."""
    return [f"| {' | '.join(map(markdown, row))} |" for row in (columns, ("---",) * len(columns), *rows)]


def draw(
    title: str, unit: str, categories: Sequence[str], series: Mapping[str, Sequence[float | None]], shape: str = "lines"
) -> CellOutput:
    """A chart of at most four series by name, one value a category (None: a gap). shape: lines, bars or heat."""
    made = tuple(
        Series(name=name, role=_ROLES[place % len(_ROLES)], values=tuple(values))
        for place, (name, values) in enumerate(series.items())
    )
    fixed = {"key": "notebook", "title": title, "unit": unit, "shape": shape}
    chart = Chart.model_validate({**fixed, "categories": tuple(categories), "series": made})
    return CellOutput(chart_description(chart, chart.locale), svg=chart_svg(chart))
