"""An anomaly event as its page shows it: cause, evidence in words, the course of its hours, and the label."""

from datetime import datetime
from typing import TYPE_CHECKING, Any

from assets.stores.ledgers.anomaly_ledger import AnomalyLedger
from data_quality.contracts.reporting.anomaly_event import KIND_TITLES, AnomalyEvent
from data_quality.contracts.sentence import Sentence
from data_quality.contracts.site_file.site import Site
from reports.pages.anomaly import AnomalyDetail, Course
from reports.pages.energy import label_of
from reports.texts.locales import format_number, unit_text
from reports.writer import words

if TYPE_CHECKING:
    from orchestration.open_project import OpenProject

# Features of ml/anomaly_causes/cause_model.py in words.
EVIDENCE = {
    "kind": "Detected as",
    "hours": "Length",
    "ratio": "Ratio to usual",
    "to_highest": "Level against the highest of 12 weeks",
    "to_working_day": "Level against a working day",
    "to_lowest": "Level against the lowest of six weeks",
    "evenness": "Variation of the level",
    "even_excess": "Variation of the difference",
    "even_ratio": "Variation of the ratio to usual",
    "course": "Growth of the difference",
    "runs_a_day": "Separate stretches a day",
    "repeated": "Repeated readings",
    "zero": "Readings of zero",
    "night_share": "Difference at night",
    "weekend_share": "Difference on days off",
    "working_share": "Difference in working hours",
    "workday_night_share": "Difference in nights of working days",
    "holiday_share": "Hours on public holidays",
    "school_holiday_share": "Hours in school holidays",
    "announced": "Hours of announced changes",
    "flagged": "Hours with validation findings",
    "alike": "Change at other meters, share of this one",
    "opposite": "Heating at the same time, ratio to usual",
    "degc_apart": "Temperature against two weeks before",
    "degc_beyond": "Temperature beyond that of eight weeks",
    "weather_share": "Difference explained by temperature",
    "follows_degc": "Correlation with temperature",
}
# Units that are shown with no decimals.
_WHOLE = ("%", "%/week", "h")


def shown_anomaly(
    event: AnomalyEvent, project: "OpenProject", site: Site, *, locale: str, as_of_utc: datetime | None = None
) -> AnomalyDetail:
    """The event with its label, as known at T."""
    from ml.anomaly_scoring.event_course import stored_course

    label = AnomalyLedger(project.store).labels(site.site_id, as_of_utc=as_of_utc).get(event.event_id)
    found = stored_course(event, site, project.lake, as_of_utc=as_of_utc)
    course = None
    if found is not None:
        inside = [at for at, each in enumerate(found.times) if event.start_utc <= each < event.end_utc]
        course = Course(
            labels=tuple(label_of(each, "hour", site.time_zone) for each in found.times),
            measured=tuple(found.measured), usual=tuple(found.usual), unit=found.unit,
            event=(inside[0], inside[-1] + 1) if inside else (0, 0),
        )  # fmt: skip
    confidence = "" if event.confidence is None else format_number(100 * event.confidence, decimals=0, locale=locale)
    return AnomalyDetail(
        event_id=event.event_id, site_id=event.site_id, cause=event.cause or "unknown", confidence=confidence,
        evidence=tuple(_evidence(each, event, locale) for each in event.evidence if each["name"] in EVIDENCE),
        course=course, label=label, who="" if label is None else project.names.get(label.person_id, label.person_id),
    )  # fmt: skip


def _evidence(row: dict[str, Any], event: AnomalyEvent, locale: str) -> tuple[str, str]:
    """A feature in words, and its value with unit."""
    name = Sentence(EVIDENCE[row["name"]])
    if row["name"] == "kind":
        return name, Sentence(KIND_TITLES.get(event.kind, words(event.kind)))
    unit = str(row["unit"])
    text = format_number(row["value"], decimals=0 if unit in _WHOLE else 2 if unit == "1" else 1, locale=locale)
    if unit == "%/week":
        return name, Sentence("{0} % a week", text)
    return name, text if unit == "1" else f"{text} {unit_text(unit)}"
