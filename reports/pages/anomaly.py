"""An anomaly on its page: its picture, the likely cause with confidence, the evidence, and the label of a person."""

from datetime import date
from typing import get_args

from data_quality.contracts.model import Model
from data_quality.contracts.reporting.anomaly_event import CAUSE_TITLES, AnomalyLabel, Cause
from data_quality.contracts.sentence import Sentence, Text
from reports.pages.chart import Chart, ChartRow
from reports.pages.page import REASON, Cards, Form, Input, PageBlock, Part, Widget
from reports.report_content import Paragraph, table
from reports.texts.locales import day_of_month, named, unit_text


class Course(Model):
    """Measured and usual values of an event's hours and those around. labels: of the hours; event: its first hour and
    the one after its last. unit: as figures spell it.
    """

    labels: tuple[str, ...]
    measured: tuple[float | None, ...]
    usual: tuple[float | None, ...]
    event: tuple[int, int]
    unit: str


class AnomalyDetail(Model):
    """An anomaly event as its page shows it. evidence: features that decided, with their values; confidence: percent,
    empty where the event has none; who: of the label.
    """

    event_id: str
    site_id: str
    cause: Cause
    confidence: str = ""
    evidence: tuple[tuple[Text, Text], ...] = ()
    course: Course | None = None
    label: AnomalyLabel | None = None
    who: str = ""


def anomaly_part(shown: AnomalyDetail, locale: str) -> Part:
    """Cause, evidence and picture of an event."""
    cause = Sentence(CAUSE_TITLES[shown.cause])
    text = Sentence("{0}, confidence {1} %", cause, shown.confidence) if shown.confidence else cause
    blocks: list[PageBlock] = [Paragraph(text=text)]
    if shown.label is not None:
        labelled = Sentence(CAUSE_TITLES[shown.label.cause])
        sentence = Sentence("Labelled by {0} as {1}: {2}", named(shown.who), labelled, named(shown.label.reason))
        blocks.append(Paragraph(text=sentence))
    if shown.course is not None:
        chart = course_chart(shown.course, locale)
        hint = unit_text(shown.course.unit)
        widget = Widget(key="course", title=chart.title, hint=hint, state="value", chart=chart, span=12)
        blocks.append(Cards(widgets=(widget,)))
    if shown.evidence:
        blocks.append(table("evidence", "Evidence", ("Evidence", "Value"), shown.evidence))
    return Part(key="cause", title="Likely cause", blocks=tuple(blocks))


def course_chart(course: Course, locale: str) -> Chart:
    """Measured against usual, with what lies between them in the hours of the event."""
    first, after = course.event
    pairs = [
        (min(one, two), max(one, two)) if first <= at < after and one is not None and two is not None else (None, None)
        for at, (one, two) in enumerate(zip(course.measured, course.usual, strict=True))
    ]
    usual = ChartRow(
        label="Usual", role="expected", values=course.usual, low=tuple(low for low, _ in pairs),
        high=tuple(high for _, high in pairs),
    )  # fmt: skip
    midnights = tuple(
        (at, day_of_month(date.fromisoformat(label[:10]), locale))
        for at, label in enumerate(course.labels)
        if label[11:16] == "00:00"
    )
    step = -(-len(midnights) // 12) or 1
    return Chart(
        kind="band", key="course", title="Measured and usual", unit=course.unit, x=course.labels, x_title="Time",
        rows=(usual, ChartRow(label="Measured", values=course.measured)), ticks=midnights[::step], locale=locale,
        events=((first, "Begins"), (min(after, len(course.labels) - 1), "Ends")),
        note="Shaded: the difference in the hours of the anomaly.",
    )  # fmt: skip


def label_form(shown: AnomalyDetail) -> Form:
    """The cause as a person says it; it takes the place of the label that stands, where that is the one they saw."""
    options = tuple((cause, CAUSE_TITLES[cause]) for cause in get_args(Cause))
    seen = shown.label.cause if shown.label is not None else ""
    fields = (
        Input(name="cause", label="Cause", kind="select", value=seen or shown.cause, options=options, is_required=True),
        REASON,
        Input(name="seen", kind="hidden", value=seen),
    )
    action, note = (
        f"/findings/{shown.event_id}/label?site={shown.site_id}",
        "Kept for training, and shown next to the likely cause.",
    )
    return Form(title="Label cause", action=action, fields=fields, note=note)
