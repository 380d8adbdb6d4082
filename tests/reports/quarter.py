"""The EnPI report as a test asks it: its template, of what `make_report` would give it."""

from reports.content.template_report import template_report
from reports.content.templates import load_template
from reports.datasets.base import ReportInput
from reports.report_content import ReportContent


def enpi_quarter(given: ReportInput, *, revision: int = 0) -> ReportContent:
    """The content under a revision number; what was read for one revision is not read for the next."""
    return template_report(load_template("enpi_quarter"), given, revision=revision)
