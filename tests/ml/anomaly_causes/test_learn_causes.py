"""Causes learned from labels: few move little, what is new is learned, and no event judges itself."""

from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from data_quality.contracts.reporting.anomaly_event import Cause
from ml.anomaly_causes.cause_model import likely_cause, named_cause, shipped_causes
from ml.anomaly_causes.learn_causes import FEWEST_LABELS, CauseExample, judged, too_few
from tests.ml.anomaly_causes.judged_events import judged_events

START, DAY = datetime(2025, 1, 1, tzinfo=UTC), timedelta(days=1)


@pytest.fixture(scope="module")
def examples() -> list[CauseExample]:
    """Events of seeded sites as if people had labelled each with its true cause."""
    rows = judged_events(range(40_000, 40_012))
    return [
        CauseExample(str(n), f"site {each.number}", START + n * DAY, START + (n + 1) * DAY, each.features,
                     each.seeded.cause)
        for n, each in enumerate(rows)
    ]  # fmt: skip


def relabelled(examples: list[CauseExample], one: Cause, other: Cause) -> list[CauseExample]:
    return [
        CauseExample(each.event_id, each.site_id, each.start_utc, each.end_utc, each.features,
                     other if each.cause == one else each.cause)
        for each in examples
    ]  # fmt: skip


def test_few_labels_and_those_of_one_cause_teach_nothing() -> None:
    assert too_few(["waste", "weather"] * (FEWEST_LABELS // 2 - 1)) == "few_labels"
    assert too_few(["waste"] * FEWEST_LABELS) == "one_cause"
    assert too_few(["waste", "weather"] * (FEWEST_LABELS // 2)) == ""


def test_what_people_say_otherwise_is_learned_and_leads(examples: list[CauseExample]) -> None:
    found = judged(relabelled(examples, "unknown", "sensor_fault"), shipped_causes())
    assert found.is_better
    assert found.learned.log_loss < found.shipped.log_loss - 0.2
    bursts = [each.features for each in examples if each.cause == "unknown"]
    before, after = ([model.probabilities(each)["sensor_fault"] for each in bursts]
                     for model in (shipped_causes(), found.model))  # fmt: skip
    assert np.mean(after) > np.mean(before) + 0.2


def test_labels_that_say_what_is_known_cost_little(examples: list[CauseExample]) -> None:
    found = judged(examples, shipped_causes())
    assert found.learned.log_loss < found.shipped.log_loss + 0.05
    assert found.learned.macro_f1 > found.shipped.macro_f1 - 0.05


def test_labels_without_sense_never_lead(examples: list[CauseExample]) -> None:
    order = np.random.default_rng(4).permutation(len(examples))
    # Half of them: of what is right, enough is left for the shipped one to be better.
    mixed = [
        CauseExample(each.event_id, each.site_id, each.start_utc, each.end_utc, each.features,
                     examples[order[n]].cause if n % 2 else each.cause)
        for n, each in enumerate(examples)
    ]  # fmt: skip
    found = judged(mixed, shipped_causes())
    assert found.is_better == (
        found.learned.macro_f1 >= found.shipped.macro_f1 and found.learned.log_loss < found.shipped.log_loss
    )
    assert found.learned.macro_f1 < 0.75


def test_an_event_is_not_judged_by_what_shares_its_time(examples: list[CauseExample]) -> None:
    given = relabelled(examples, "unknown", "sensor_fault")
    # Each once more, as the meter above it sees it: were it not left out, it would tell the cause.
    twice = [*given, *(CauseExample(f"{e.event_id} main", e.site_id, e.start_utc, e.end_utc, e.features, e.cause)
                       for e in given)]  # fmt: skip
    apart = [*given, *(CauseExample(f"{e.event_id} main", e.site_id, e.start_utc + 1000 * DAY, e.end_utc + 1000 * DAY,
                                    e.features, e.cause) for e in given)]  # fmt: skip
    others, leaked = (judged(each, shipped_causes()).learned.log_loss for each in (twice, apart))
    assert others > leaked + 0.02


def test_the_digest_is_of_the_parameters_alone_and_the_name_of_version_and_revision() -> None:
    shipped = shipped_causes()
    renamed = shipped.model_copy(update={"revision": 3, "learned_from": "elsewhere", "measured": {}})
    assert renamed.digest == shipped.digest
    assert shipped.model_copy(update={"temperature": 2.0}).digest != shipped.digest
    assert (shipped.name, renamed.name) == (str(shipped.version), f"{shipped.version}.3")
    assert {"sites", "events", "macro_f1", "ece"} == shipped.measured.keys()


def test_a_cause_below_half_is_unknown_and_the_likeliest_is_told_beside_it() -> None:
    assert named_cause({"waste": 0.45, "weather": 0.4, "unknown": 0.15}) == ("unknown", "waste", 0.45)
    assert likely_cause({}).cause == "unknown"
