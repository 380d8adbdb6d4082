"""The EnPI report over inputs that a test has read, or changed: its template, asked as `make_report` asks it."""

from typing import Any, cast

from reports.content.template_report import template_report
from reports.content.templates import load_template
from reports.datasets.base import Given
from reports.datasets.of_uses.enpi_inputs import EnpiInputs
from reports.datasets.performance import NAME, PerformanceData
from reports.report_content import ReportContent


def enpi_quarter(inputs: EnpiInputs, *, revision: int = 0) -> ReportContent:
    """The content under a revision number; nothing is read any more."""
    given = Given(
        site=inputs.site,
        period=inputs.period,
        as_of_utc=inputs.as_of_utc,
        sources=cast(Any, None),
        versions=inputs.versions,
    )
    datasets = {NAME: PerformanceData(given, inputs)}
    return template_report(load_template("enpi_quarter"), given, revision=revision, datasets=datasets)
