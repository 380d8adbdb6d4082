"""A figure, the trace that recomputes it (trace.md), and the definition of its KPI as text of SQL."""

import hashlib
import re
from collections.abc import Mapping
from datetime import date, datetime
from decimal import Decimal
from functools import cached_property
from typing import Literal, NamedTuple, Self

from pydantic import Field

from data_quality.contracts.errors import BadInput
from data_quality.contracts.model import Model

# Energy of a register, kWh: its readings make it, and no mart holds it.
REGISTER_KPI = "register_kwh"
# Computation of a KPI of a scope.
KPI = "scope_kpi"


class TraceInput(Model):
    """One thing a figure depends on.

    kind `lake`: id `site/meters/start_utc/end_utc`, digest of those partitions at as_of; `figure`: id of
    another figure; `version`: tariff, factor, baseline, site file, calendar; `run`: Dagster, MLflow, code, lock.
    """

    kind: Literal["lake", "figure", "version", "run"]
    id: str
    role: str = Field(default="", description="What it is to the computation, e.g. actual, expected, tariff")
    sha256: str = ""
    value: str = Field(default="", description="Exact text of an input figure's value")


class Trace(Model):
    """Trace of a figure: a named pure computation, its parameters, its inputs, as known at as_of."""

    computation: str
    code_sha256: str = Field(description="Names the version of the computation; before versions, hash of its source")
    parameters: dict[str, str] = {}
    as_of_utc: datetime
    inputs: tuple[TraceInput, ...]


class Figure(Model):
    """One printed number, unrounded. Missing values are None with a status that says why."""

    figure_id: str
    path: str = Field(description="Stable place in the report, e.g. summary/compressors/actual_kwh")
    label: str
    kpi: str
    scope: str = Field(description="site:… meter:… seu:… tenant:…")
    start: date
    end: date
    value: Decimal | None
    unit: str
    uncertainty: float | None = None
    coverage: float | None = None
    estimated_share: float | None = None
    is_synthetic: bool = False
    status: str = "ok"
    findings: tuple[str, ...] = Field(default=(), description="Codes of what a reader must know beside the number")
    trace: Trace


class BandExclusion(NamedTuple):
    """Something that a band does not hold: its code, and whose it is."""

    code: str
    of: str = ""


class Band(NamedTuple):
    """The interval that holds the true number with probability `coverage`; None where nothing of it is known.

    half: what stands behind ±, in the number's unit. shares: source -> its part of the variance, 0-1, largest first.
    """

    low: float | None
    high: float | None
    half: float | None
    coverage: float
    shares: Mapping[str, float]
    left_out: tuple[BandExclusion, ...]


def figure_id(*, report: str, revision: str, path: str, scope: str, start: date, end: date) -> str:
    """Stable, machine-readable id: 16 hex digits of the SHA-256 of what names the cell."""
    # The unit separator stands in no path or scope, so that no two cells join to one text.
    text = "\x1f".join([report, revision, path, scope, start.isoformat(), end.isoformat()])
    return hashlib.sha256(text.encode()).hexdigest()[:16]


HEAD = re.compile(
    r"^-- model: (?P<layer>\w+)\.(?P<name>\w+) \((?P<kind>view|table)\) of (?P<reads>[\w, ]*)$", re.MULTILINE
)
TITLE = "-- All KPIs as dbt compiled them for DuckDB: each model reads tables of schema lake and models before it."


class SqlModel(Model):
    """One SELECT that becomes a view or table `layer.name`. reads: the models that must stand before it."""

    layer: str
    name: str
    is_view: bool
    reads: tuple[str, ...]
    sql: str


class KpiDefinition(Model):
    """Models in building order. Two definitions are the same where their texts are."""

    models: tuple[SqlModel, ...]

    @cached_property
    def text(self) -> str:
        """The whole definition as a person reads it and `parse` does."""
        parts = [
            f"-- model: {each.layer}.{each.name} ({'view' if each.is_view else 'table'}) of {', '.join(each.reads)}\n"
            f"{each.sql.strip()}\n"
            for each in self.models
        ]
        return "\n".join([TITLE, *parts])

    @cached_property
    def sha256(self) -> str:
        """Digest of the text: what a trace pins."""
        return hashlib.sha256(self.text.encode()).hexdigest()

    @classmethod
    def parse(cls, text: str, *, file: str = "") -> Self:
        """The definition that a text holds. Raises BadInput for a text that is none."""
        heads = list(HEAD.finditer(text))
        ends = [*(each.start() for each in heads[1:]), len(text)][: len(heads)]
        models = tuple(
            SqlModel(
                layer=head["layer"],
                name=head["name"],
                is_view=head["kind"] == "view",
                reads=tuple(each for each in head["reads"].split(", ") if each),
                sql=text[head.end() : end].strip(),
            )
            for head, end in zip(heads, ends, strict=True)
        )
        # Written again it must be the same to the byte: traces pin the text by its digest.
        found = cls(models=models)
        if not models or found.text != text:
            raise BadInput("is no definition of KPIs as dbt compiled it", file=file, reason="no_definition")
        return found

    def behind(self, *names: str) -> tuple[SqlModel, ...]:
        """The named models and all that they read, in building order. Raises BadInput for a name that is not there."""
        by_name = {each.name: each for each in self.models}
        wanted: set[str] = set()
        waiting = list(names)
        while waiting:
            name = waiting.pop()
            if name not in by_name:
                raise BadInput(f"the definition of KPIs has no model {name!r}", reason="no_definition")
            if name not in wanted:
                wanted.add(name)
                waiting += by_name[name].reads
        return tuple(each for each in self.models if each.name in wanted)
