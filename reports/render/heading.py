"""The head of a report, on paper and on its page alike: name, span, what it is of and where it stands."""

from datetime import UTC, timedelta

from data_quality.contracts.sentence import Sentence
from reports.report_content import ReportContent
from reports.texts.locales import long_date, moment, page_word, period_text


def span_text(content: ReportContent) -> str:
    """The period in words: its shortest name, or its first and last day where it has none."""
    return period_text(content.start, content.end, content.locale)


def title_text(content: ReportContent) -> str:
    """Site, report and span."""
    return f"{content.site_name}: {content.title}, {span_text(content)}"


def facts_text(content: ReportContent) -> str:
    """Days and their zone, as of when, which revision, and who reviewed and published it."""
    days = [long_date(day, content.locale) for day in (content.start, content.end - timedelta(days=1))]
    facts = Sentence(
        "{0}, local days of {1}. As known at {2} UTC. Revision {3}, {4}.",
        " – ".join(dict.fromkeys(days)),
        content.time_zone,
        moment(content.as_of_utc.astimezone(UTC), content.locale),
        content.revision,
        content.life.sentence(content.locale),
    )
    return page_word(facts, content.spoken)
