"""Figures without pages: what the command line prints and a trace walks back, with nothing to lay out."""

from assets.stores.warehouse.marts import PORTFOLIO
from data_quality.contracts.site_file.site import Site
from data_quality.contracts.time import Period
from reports.figure_book import FigureBook
from reports.report_content import ReportContent


def figure_list(book: FigureBook, *, name: str, title: str, period: Period, site: Site | None) -> ReportContent:
    """The book's figures as content. site: None where they are of all sites together."""
    return ReportContent(
        report_id=book.report_id,
        name=name,
        title=title,
        site_id=PORTFOLIO if site is None else site.site_id,
        site_name="Portfolio" if site is None else site.name,
        period=period.label,
        start=period.start,
        end=period.end,
        time_zone=period.time_zone,
        locale="en" if site is None else site.locale,
        currency="" if site is None else site.currency,
        revision=book.revision,
        as_of_utc=book.as_of_utc,
        status="draft" if book.is_synthetic else "final",
        is_synthetic=book.is_synthetic,
        findings=(),
        versions={},
        sections=(),
        figures=book.figures(),
    )
