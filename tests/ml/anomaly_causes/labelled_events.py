"""Stored events that people labelled, with their features: rows that teach the model beside seeded ones."""

from datetime import timedelta

from assets.sites.view import site_readings
from assets.stores.lake.lake import Lake
from assets.stores.ledgers.anomaly_ledger import AnomalyLedger
from data_quality.contracts.reporting import anomaly_event
from data_quality.contracts.site_file.site import Site
from ml.anomalies.events import AnomalyEvent
from ml.anomaly_causes.event_features import features_of
from ml.anomaly_scoring.cause_facts import CauseFacts
from ml.anomaly_scoring.score_site import AFTER, BEFORE, scored_streams, weather_led
from ml.features.civil import civil_of
from ml.features.series import Series, series_of
from tests.ml.anomaly_causes.judged_events import Judged
from tests.ml.anomaly_causes.seeded_sites import Seeded

# The number of no seeded site.
LABELLED = -1


def labelled_events(site: Site, lake: Lake) -> list[Judged]:
    """A row a labelled event of a site that the detectors still find; its cause is what the label says."""
    ledger = AnomalyLedger(lake.store)
    labels = ledger.labels(site.site_id)
    events = [each for each in ledger.standing(site.site_id) if each.event_id in labels]
    return [
        Judged(stored_features(each, site, lake), Seeded(labels[each.event_id].cause, each.kind, 0, 0), LABELLED)
        for each in events
    ]


def stored_features(event: anomaly_event.AnomalyEvent, site: Site, lake: Lake) -> dict[str, float]:
    """Features of a stored event by the readings as known now."""
    start, end = event.start_utc - BEFORE - timedelta(days=1), event.end_utc + AFTER
    streams = {meter.meter_id: stream for meter, stream in scored_streams(site)}
    readings = site_readings(lake, site, start_utc=start, end_utc=end, meters=list(streams))
    judged: dict[str, Series] = {
        name: series_of(readings, site=site, stream=stream, end_utc=event.end_utc) for name, stream in streams.items()
    }
    facts = CauseFacts(site, lake, start, end, judged, weather_led(site))
    series = judged[event.meter_id]
    civil = civil_of(site, series.start_utc, len(series.values))
    score = next((each["value"] for each in event.evidence if each["name"] == "score"), 1.0)
    found = AnomalyEvent(event.kind, event.start_utc, event.end_utc, float(score), 0, 0.0, 0.0, None)
    return features_of(found, series, civil, facts.context(event.meter_id, civil))
