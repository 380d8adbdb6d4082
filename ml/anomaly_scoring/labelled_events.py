"""Stored events that people labelled, with their features: what a project's own model of causes is learned from."""

from datetime import timedelta

from assets.sites.view import site_readings
from assets.stores.lake.lake import Lake
from assets.stores.ledgers.anomaly_ledger import AnomalyLedger
from data_quality.contracts.reporting import anomaly_event
from data_quality.contracts.reporting.anomaly_event import Cause
from data_quality.contracts.site_file.site import Site
from ml.anomalies.events import AnomalyEvent
from ml.anomaly_causes.event_features import features_of
from ml.anomaly_causes.learn_causes import CauseExample
from ml.anomaly_scoring.cause_facts import CauseFacts
from ml.anomaly_scoring.score_site import AFTER, BEFORE, scored_streams, weather_led
from ml.features.civil import civil_of
from ml.features.series import Series, series_of

Labelled = tuple[anomaly_event.AnomalyEvent, Cause]


def labelled_events(site: Site, lake: Lake) -> list[Labelled]:
    """Events of a site that people labelled and the detectors still find at a meter that is judged, with the cause that
    the label says.
    """
    ledger, judged = AnomalyLedger(lake.store), {meter.meter_id for meter, _ in scored_streams(site)}
    labels = ledger.labels(site.site_id)
    return [
        (each, labels[each.event_id].cause)
        for each in ledger.standing(site.site_id)
        if each.event_id in labels and each.meter_id in judged
    ]


def examples_of(site: Site, lake: Lake) -> list[CauseExample]:
    """The labelled events with their features; those whose readings are gone teach nothing."""
    found = [(event, cause, _features(event, site, lake)) for event, cause in labelled_events(site, lake)]
    return [
        CauseExample(event.event_id, site.site_id, event.start_utc, event.end_utc, features, cause)
        for event, cause, features in found
        if features
    ]


def _features(event: anomaly_event.AnomalyEvent, site: Site, lake: Lake) -> dict[str, float]:
    """Features of a stored event by the readings as known now."""
    start, end = event.start_utc - BEFORE - timedelta(days=1), event.end_utc + AFTER
    streams = {meter.meter_id: stream for meter, stream in scored_streams(site)}
    readings = site_readings(lake, site, start_utc=start, end_utc=end, meters=list(streams))
    judged: dict[str, Series] = {
        name: series_of(readings, site=site, stream=stream, end_utc=event.end_utc) for name, stream in streams.items()
    }
    facts = CauseFacts(site, lake, start, end, judged, weather_led(site))
    series = judged[event.meter_id]
    if series.start_utc >= event.end_utc or not len(series.values):
        return {}
    civil = civil_of(site, series.start_utc, len(series.values))
    score = next((each["value"] for each in event.evidence if each["name"] == "score"), 1.0)
    found = AnomalyEvent(event.kind, event.start_utc, event.end_utc, float(score), 0, 0.0, 0.0, None)
    return features_of(found, series, civil, facts.context(event.meter_id, civil))
