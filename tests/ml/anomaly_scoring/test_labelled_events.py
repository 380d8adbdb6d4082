"""Labels of people as rows that teach: the features of a stored event are those that its scoring saw."""

import pytest

from assets.stores.lake.lake import Lake
from assets.stores.ledgers.anomaly_ledger import AnomalyLedger
from data_quality.contracts.people import Person, Role
from data_quality.contracts.time import FixedClock
from ml.anomaly_causes.cause_model import likely_cause, shipped_causes
from ml.anomaly_scoring.learn_project import examples_of
from tests.bench.cause_learn import LABEL_WEIGHT, LABELLED, fitted
from tests.ml.anomaly_causes.judged_events import Judged
from tests.ml.anomaly_causes.seeded_sites import CAUSES, Seeded
from tests.ml.anomaly_scoring.scored import NOW, filled, scored, works

OTTO = Person(person_id="otto", name="Otto", roles=(Role.OPERATOR,))


def test_a_labelled_event_teaches_what_the_person_said_with_the_features_of_its_scoring(lake: Lake) -> None:
    site = works()
    filled(lake, site)
    event = scored(lake, site).events[1]
    assert examples_of(site, lake) == []
    ledger = AnomalyLedger(lake.store)
    ledger.label(event, "scheduled_change", person=OTTO, reason="two nights of overtime", clock=FixedClock(NOW))
    [row] = examples_of(site, lake)
    assert (row.cause, row.event_id, row.site_id) == ("scheduled_change", event.event_id, "works")
    likely = likely_cause(row.features)
    assert likely.cause == event.cause
    assert likely.confidence == pytest.approx(event.confidence)
    assert [each["name"] for each in likely.evidence] == [each["name"] for each in event.evidence if "weight" in each]


def test_a_label_counts_as_several_seeded_events() -> None:
    features = {name: each.centre for name, each in shipped_causes().features.items()}
    rows = [Judged(features | {"night_share": 0.2 * n}, Seeded(cause, "", 0, 1), n)
            for n in range(4) for cause in CAUSES]  # fmt: skip
    before = fitted(rows, rows, version=2).probabilities(features)["waste"]
    taught = [*rows, Judged(features, Seeded("waste", "", 0, 0), LABELLED)]
    after = fitted(taught, rows, version=2)
    assert LABEL_WEIGHT > 1
    assert after.version == 2
    assert after.probabilities(features)["waste"] > before
