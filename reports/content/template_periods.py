"""Spans that a template is for: calendar months, quarters or years, or the dates of its subject."""

from data_quality.contracts.control.dr_event import DrEvent
from data_quality.contracts.control.experiment import Experiment
from data_quality.contracts.errors import BadInput
from data_quality.contracts.reporting.report_template import ReportTemplate
from data_quality.contracts.sentence import Sentence, sentences
from data_quality.contracts.site_file.mv_project import MvProject
from data_quality.contracts.time import Period, months_of, period_key
from reports.datasets.dr_events import day_of
from reports.datasets.experiments import days_of

# A day is an event's alone.
MONTHS = {"month": 1, "quarter": 3, "year": 12}


def check_period(
    template: ReportTemplate,
    period: Period,
    project: MvProject | None = None,
    event: DrEvent | Experiment | None = None,
) -> None:
    """A template says for which spans it is; a project's report may be of its reporting period, that of an event or
    experiment is of its days. Raises BadInput.
    """
    if project is not None and (period.start, period.end) == project.reporting_period:
        return
    if isinstance(event, Experiment):
        days = days_of(event, period.time_zone)
        if (period.start, period.end) != (days.start, days.end):
            message = f"experiment {event.experiment_id} is of {days.start}/{days.end}, not of {period.label!r}"
            raise BadInput(message, reason="bad_period")
        return
    if event is not None:
        day = day_of(event, period.time_zone)
        if (period.start, period.end) != (day.start, day.end):
            raise BadInput(f"event {event.event_id} is on {day.start}, not in {period.label!r}", reason="bad_period")
        return
    months = months_of(period)
    kinds = {MONTHS[kind] for kind in template.periods if kind in MONTHS}
    is_whole = period.start.day == 1 and period.end.day == 1
    if template.covers == "months":
        if not is_whole:
            raise BadInput(
                f"period {period.label!r} cuts a month; report {template.template!r} covers whole calendar months",
                reason="bad_period",
            )
        return
    # February to April is three months and no quarter.
    is_aligned = is_whole and len(months) in kinds and (period.start.month - 1) % len(months) == 0
    if not is_aligned:
        kinds_said = sentences([Sentence(each) for each in template.periods], " or ")
        if project is not None:
            kinds_said = Sentence("{0}, or the whole reporting period", kinds_said)
        got = repr(period.label or period_key(period.start, period.end))
        message = Sentence("report {0} covers a calendar {1}, not {2}", repr(template.template), kinds_said, got)
        raise BadInput(message, reason="bad_period")
