"""The head of a report, on paper and on its page alike: name, span, what it is of and where it stands."""

from datetime import UTC, timedelta

from reports.report_content import ReportContent
from reports.texts.locales import long_date


def span_text(content: ReportContent) -> str:
    """The short name of the period, or its first and last day where it has none."""
    last = content.end - timedelta(days=1)
    return f"{content.start} – {last}" if "_" in content.period else content.period


def title_text(content: ReportContent) -> str:
    """Site, report and span."""
    return f"{content.site_name}: {content.title}, {span_text(content)}"


def facts_text(content: ReportContent) -> str:
    """Days and their zone, as of when, which revision, and who reviewed and published it."""
    days = [long_date(day, content.locale) for day in (content.start, content.end - timedelta(days=1))]
    return (
        f"{' – '.join(dict.fromkeys(days))}, local days of "
        f"{content.time_zone}. As known at {content.as_of_utc.astimezone(UTC):%Y-%m-%d %H:%M} UTC. "
        f"Revision {content.revision}, {content.life.sentence(content.locale)}."
    )
