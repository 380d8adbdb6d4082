"""Anomaly events as findings that need somebody and as rows of an answer: the same event with the same words."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from assets.stores.ledgers.anomaly_ledger import AnomalyLedger, recent
from data_quality.contracts.reporting.anomaly_event import KIND_TITLES, SOURCE, AnomalyEvent, AnomalyLabel
from data_quality.contracts.reporting.open_finding import OpenFinding
from data_quality.contracts.sentence import Sentence, sentences
from data_quality.contracts.site_file.site import Site
from data_quality.contracts.time import zone
from orchestration.open_project import OpenProject
from reports.texts.locales import long_date, named, period_text
from reports.texts.numbers import format_alike, unit_text
from reports.writer import words

# Days shown before and after an event, where it is looked at.
_AROUND = timedelta(days=3)


def open_anomalies(
    project: OpenProject, site: Site, *, locale: str, as_of_utc: datetime | None = None
) -> list[OpenFinding]:
    """The recent events of a site as findings."""
    known = AnomalyLedger(project.store).standing(site.site_id, as_of_utc=as_of_utc)
    return [finding_of(each, site, locale=locale) for each in recent(known)]


def finding_of(event: AnomalyEvent, site: Site, *, locale: str = "en") -> OpenFinding:
    """The event as a finding under its own id. Its cause names the meter and the days around the event."""
    meter = site.meter(event.meter_id)
    name = (meter.name if meter is not None else "") or words(event.meter_id)
    kind = Sentence(KIND_TITLES.get(event.kind, words(event.kind)))
    local = zone(site.time_zone)
    start, last = (at.astimezone(local) for at in (event.start_utc, event.end_utc - timedelta(seconds=1)))
    days = Sentence("{0}: {1} on {2}", named(name), kind, long_date(start.date(), locale))
    end = last.date() + timedelta(days=1)
    if start.date() != last.date():
        days = Sentence("{0}: {1}, {2}", named(name), kind, period_text(start.date(), end, locale))
    span = f"{(start - _AROUND).date()}/{(last + _AROUND).date()}"
    return OpenFinding(
        site_id=site.site_id, source=SOURCE, cause=f"{event.meter_id} {span}", severity=event.severity,
        what=sentences((days, _energy(event, locale)), ", "), at_utc=event.end_utc, worth=_worth(event, locale),
        stored_id=event.event_id, rule_kind="anomaly", scopes=(f"meter:{event.meter_id}",), amounts=amounts_of(event),
    )  # fmt: skip


def amounts_of(event: AnomalyEvent) -> dict[str, float]:
    """By unit, for alert rules; without sign."""
    told = {event.currency: event.cost, "kwh": event.kwh}
    return {unit: abs(amount) for unit, amount in told.items() if amount is not None}


def row(
    event: AnomalyEvent, state: str, label: AnomalyLabel | None = None, figure_ids: Sequence[str] = ()
) -> dict[str, Any]:
    """An event by the contract's keys. A label stands beside the cause that was computed. figure_ids: of the stored
    reports that quote it.
    """
    return {
        "id": event.event_id,
        "site": event.site_id,
        "start_utc": event.start_utc,
        "end_utc": event.end_utc,
        "meter": event.meter_id,
        "kind": event.kind,
        "cause": event.cause,
        "confidence": event.confidence,
        "severity": event.severity,
        "kwh": event.kwh,
        "cost": event.cost,
        "currency": event.currency,
        "cost_finding": event.cost_finding,
        "state": state,
        "label": label and label.cause,
        "figure_ids": list(figure_ids),
        "evidence": event.evidence,
        "params_version": event.params_version,
    }


def _energy(event: AnomalyEvent, locale: str) -> str:
    """412 kWh more than usual."""
    if not event.kwh:
        return ""
    [amount] = format_alike([round(abs(event.kwh), 1)], "kwh", locale=locale)
    pattern = "{0} more than usual" if event.kwh > 0 else "{0} less than usual"
    return Sentence(pattern, f"{amount} kWh")


def _worth(event: AnomalyEvent, locale: str) -> str:
    if event.cost is None or event.cost <= 0:
        return ""
    [amount] = format_alike([event.cost], event.currency, locale=locale)
    return f"{amount} {unit_text(event.currency)}"
