"""A figure, and the trace that recomputes it (trace.md)."""

import hashlib
from datetime import date, datetime
from decimal import Decimal
from typing import Literal

from pydantic import Field

from data_quality.contracts.model import Model


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
    """How a figure came to be: a named pure computation, its parameters, its inputs, as known at as_of."""

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


def figure_id(*, report: str, revision: str, path: str, scope: str, start: date, end: date) -> str:
    """Stable, machine-readable id: 16 hex digits of the SHA-256 of what names the cell."""
    # The unit separator stands in no path or scope, so that no two cells join to one text.
    text = "\x1f".join([report, revision, path, scope, start.isoformat(), end.isoformat()])
    return hashlib.sha256(text.encode()).hexdigest()[:16]
