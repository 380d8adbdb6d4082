"""Forecasts of a site: the band to come after what came, how good issued ones were, and the model that leads."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any, NamedTuple

from data_quality.contracts.control.forecast import BacktestScore, Forecast, ForecastRow
from data_quality.contracts.control.forecast_score import LeadScore
from data_quality.contracts.people import person_text
from data_quality.contracts.sentence import Sentence, Stored, Text
from data_quality.contracts.site_file.site import Site
from data_quality.contracts.time import clock_of, local_day, zone
from reports.pages.address import Address
from reports.pages.chart import Chart, ChartRow, Limit, day_ticks
from reports.pages.numbers import Number
from reports.pages.page import Cards, Choice, Form, Item, Lack, Option, Page, PageBlock, Part, Widget
from reports.report_content import Paragraph
from reports.texts.locales import (
    day_of_month,
    format_alike,
    format_number,
    long_date,
    moment,
    named,
    short_date,
    unit_text,
)

TAKES = ("target",)
# The share that a band from P10 to P90 is to hold.
HELD_PERCENT = 80.0
LEADS: Mapping[str, str] = {"h00": "0–6 h", "h06": "6–12 h", "h12": "12–18 h", "h18": "18–24 h"}
# Kinds of models by the code that the registry has.
MODEL_WORDS = {
    "ensemble": "Ensemble",
    "ensemble_by_day_type": "Ensemble by kind of day",
    "same_hour_last_week": "Same hour last week",
    "climatology": "Climatology",
    "gradient_boosting": "Gradient boosting",
    "linear": "Linear regression by hour",
    "exponential_smoothing": "Exponential smoothing",
    "additive": "Additive model",
    "neural_network": "Neural network",
    "pv_physics": "PV physics",
    "pv_physics_residual": "PV physics with correction",
    "clear_sky_persistence": "Clear-sky persistence",
}
_NAMED_MODEL = re.compile(rf"(?:[\w-]+\.)*\b({'|'.join(sorted(MODEL_WORDS, key=len, reverse=True))})\b(?:@(\d+))?")


class Step(NamedTuple):
    """One step: what came, and what was forecast of it before its day began; of steps to come by the newest issue."""

    at_utc: datetime
    came: float | None
    row: ForecastRow | None


@dataclass(frozen=True)
class ForecastData:
    """One target of a site. targets: name and title of all. steps: the days before the newest issue, and what it is of.
    day: its first whole local day, and P10, P50, P90 of all of it. leads, coverage: of issued forecasts; decisions:
    about the model that leads, oldest first. names: of people by person_id. run: the button that issues the first one;
    lacks: what the site has none of yet.
    """

    site: Site
    targets: Sequence[tuple[str, str]]
    target: str
    latest: Forecast | None = None
    steps: Sequence[Step] = ()
    day: tuple[date, tuple[float, float, float]] | None = None
    leads: Sequence[LeadScore] = ()
    coverage: Mapping[date, float] = field(default_factory=dict)
    decisions: Sequence[tuple[datetime, Mapping[str, Any]]] = ()
    names: Mapping[str, str] = field(default_factory=dict)
    run: Form | None = None
    lacks: Lack = ""

    @property
    def trial(self) -> BacktestScore | None:
        """Scores of the leading model in the trial that made it lead."""
        won = [each for _, each in self.decisions if each.get("is_promoted") and each.get("challenger")]
        return BacktestScore.model_validate(won[-1]["challenger"]) if won else None


def forecast_page(data: ForecastData, address: Address) -> Page:
    """The chosen target; what must be set up first, where nothing is forecast."""
    title = Sentence("Forecasts: {0}", named(data.site.name))
    choice = Choice(
        label="Forecast",
        options=tuple(
            Option(text=named(text), href=address.href(target=name), is_chosen=name == data.target)
            for name, text in data.targets
        ),
    )
    blocks: tuple[PageBlock, ...]
    if not data.targets:
        text = "No forecast is set up. Name meters under forecast_targets in the site file."
        blocks = (Paragraph(text=text, tone="muted"),)
    elif data.latest is None:
        none = Paragraph(text="No forecast is issued yet. Analysts issue them.", tone="muted")
        blocks = (choice, data.run or none)
    else:
        rows = (_figures(data, data.latest, address), _course(data, data.latest, address), _worth(data, address.locale))
        blocks = (choice, *(Cards(widgets=tuple(row)) for row in rows))
    issued = None if data.latest is None else data.latest.issued_at_utc.astimezone(zone(data.site.time_zone))
    return Page(
        title=title,
        address=address,
        parts=(Part(key="forecast", blocks=blocks),),
        age="" if issued is None else Sentence("issued {0}", moment(issued, address.locale)),
        lacks=data.lacks if data.latest is None else "",
        is_synthetic=data.site.is_simulated or (data.latest is not None and data.latest.is_synthetic),
    )


def _figures(data: ForecastData, latest: Forecast, address: Address) -> Iterator[Widget]:
    locale, unit = address.locale, unit_text(latest.unit)
    if data.day is not None:
        day, quantiles = data.day
        low, middle, high = format_alike(quantiles, latest.unit, locale=locale)
        note = Sentence("P10 {0} to P90 {1} {2}", low, high, unit)
        yield _figure("expected_day", Sentence("Forecast for {0}", long_date(day, locale)), middle, unit, note)
    trial = data.trial
    if trial is None:
        return
    of = Sentence("in the backtest, {0} days", trial.folds)
    for key, title, share, note in (
        ("nrmse", "Error (NRMSE)", trial.nrmse, of),
        ("held", "Inside P10–P90", trial.coverage_p10_p90, Sentence("target {0} %; {1}", f"{HELD_PERCENT:g}", of)),
        ("bias", "Bias", trial.bias, of),
    ):
        if share is not None:
            text = format_number(100 * share, decimals=1, locale=locale, signed=key == "bias")
            yield _figure(key, title, text, "%", note)


def _figure(key: str, title: Text, text: str, unit: str, note: Text) -> Widget:
    return Widget(
        key=key, title=title, state="value", value=Number(label=title, text=text, unit=unit, note=note), span=3
    )


def _course(data: ForecastData, latest: Forecast, address: Address) -> Iterator[Widget]:
    """Measured and forecast values on one axis, beside the model that says so."""
    local = zone(data.site.time_zone)
    times = [each.at_utc.astimezone(local) for each in data.steps]
    days = [short_date(each.date(), address.locale) for each in times]
    is_daily = latest.step_minutes >= 24 * 60
    labels = tuple(day if is_daily else f"{day}, {clock_of(at)}" for day, at in zip(days, times, strict=True))
    begins = next((at for at, each in enumerate(data.steps) if each.at_utc >= latest.issued_at_utc), None)
    rows = [each.row for each in data.steps]
    band = ChartRow(
        label="Forecast, P10 to P90", role="expected",
        values=tuple(None if each is None else each.p50 for each in rows),
        low=tuple(None if each is None else each.p10 for each in rows),
        high=tuple(None if each is None else each.p90 for each in rows),
    )  # fmt: skip
    came = ChartRow(label="Measured", values=tuple(each.came for each in data.steps))
    midnights = tuple(
        (place, named(day_of_month(at.date(), address.locale)))
        for place, at in enumerate(times)
        if is_daily or at.hour == at.minute == 0
    )
    chart = Chart(
        kind="band", key="course", title="Forecast and measured", unit=latest.unit,
        x=tuple(map(named, labels)), x_title="Time", rows=(band, came), ticks=midnights, locale=address.locale,
        events=() if begins is None else ((begins, "Issued"),),
        note="Days that have passed: as forecast before the day began.",
    )  # fmt: skip
    yield Widget(key="course", title=chart.title, hint=unit_text(latest.unit), state="value", chart=chart, span=9)
    yield _champion(data, latest, address.locale)


def _champion(data: ForecastData, latest: Forecast, locale: str) -> Widget:
    """The model that leads, what it lacked this time, and who decided what before."""
    lacks = [Item(text=Stored(text), tone="caution", icon="info") for text in latest.labels.values()]
    moved = [Item(text=Stored(text), icon="activity") for text in latest.why]
    kind = model_words(f"{latest.model_name}@{latest.model_version}")
    return Widget(
        key="champion", title="Leading model", state="value",
        value=Number(label="Leading model", text=kind),
        items=(*_decided(data, locale), *lacks, *moved), span=3,
    )  # fmt: skip


def model_words(model: str) -> Sentence:
    """The kind and version of a registered model, as site.stream.register.product.kind@version names it."""
    kind, _, version = model.rpartition(".")[2].partition("@")
    return Sentence("{0} {1}" if version else "{0}", Sentence(MODEL_WORDS.get(kind, kind)), version)


def _decision_words(reason: str) -> Stored:
    """A stored reason of ours with the words of the models that it names by code."""
    return Stored(_NAMED_MODEL.sub(lambda it: MODEL_WORDS[it[1]] + (f" {it[2]}" if it[2] else ""), reason))


def _decided(data: ForecastData, locale: str) -> Iterator[Item]:
    for at_utc, each in reversed(data.decisions):
        is_won = bool(each.get("is_promoted"))
        person = each.get("person_id", "")
        by = person_text(person, data.names.get(person)) if person else ""
        when = long_date(local_day(at_utc, data.site.time_zone), locale)
        text = Sentence(
            "Model {0} leads since {1}" if is_won else "{0} did not lead on {1}",
            model_words(each.get("model", "")),
            when,
        )
        reason = each.get("reason", "")
        yield Item(
            text=text, detail=Sentence("{0} ({1})", named(reason), named(by)) if by else _decision_words(reason),
            tone="good" if is_won else "plain",
            icon="shield-check" if is_won else "circle-help",
        )  # fmt: skip


def _worth(data: ForecastData, locale: str) -> Iterator[Widget]:
    """Scores of issued forecasts."""
    if not data.leads:
        reason = "No issued forecast is scored yet. A day is scored once its readings are in."
        yield Widget(key="leads", title="Error by lead time", state="none", reason=reason, span=12)
        return
    unit = data.latest.unit if data.latest else ""
    leads = Chart(
        kind="bars", key="leads", title="Error by lead time", unit=unit, x_title="Lead",
        x=tuple(LEADS.get(each.lead, Sentence("day {0}", each.lead.removeprefix("d"))) for each in data.leads),
        rows=(
            ChartRow(label="Forecast", values=tuple(each.crps for each in data.leads)),
            ChartRow(label="Same hour last week", role="third", values=tuple(each.floor_crps for each in data.leads)),
        ),
        locale=locale, note="CRPS: the mean distance of what came from the band; smaller is better.",
    )  # fmt: skip
    yield Widget(key="leads", title=leads.title, hint=Sentence("CRPS, {0}", unit_text(unit)), state="value",
                 chart=leads, span=6)  # fmt: skip
    days = [str(day) for day in data.coverage]
    held = Chart(
        kind="line", key="held_days", title="Inside P10–P90 by day", unit="percent", x=tuple(days), x_title="Day",
        rows=(ChartRow(label="Inside P10–P90", values=tuple(100 * each for each in data.coverage.values())),),
        limit=Limit(label=Sentence("target {0} %", f"{HELD_PERCENT:g}"), value=HELD_PERCENT),
        ticks=day_ticks(days, locale), locale=locale,
    )  # fmt: skip
    yield Widget(key="held_days", title=held.title, hint="%", state="value", chart=held, span=6)
