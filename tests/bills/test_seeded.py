"""Seeded faults are classified; right bills are not accused. Seeds: every kind of fault once each."""

from pathlib import Path

import pytest

from assets.bills.dispute import classify
from assets.bills.dispute.reconcile import Reconciliation, make_case, reconcile
from assets.bills.dispute.suspicion import Suspicion
from assets.bills.documents.read_bill import read_bill
from tests.bills.papers import Scene
from tests.bills.seeded import FAULTS, register_scene, right_scenes, scenes
from tests.bills.seeded_intervals import INTERVAL_FAULTS, interval_scene


def audited(scene: Scene, folder: Path) -> Reconciliation:
    path = folder / f"{scene.name}.csv"
    path.write_text(scene.paper.csv())
    return reconcile(make_case(
        read_bill(path), scene.tariffs, reads=scene.reads, register=scene.register, load=scene.load,
        time_zone=scene.time_zone,
    ))  # fmt: skip


def test_nineteen_of_twenty_seeded_faults_are_classified_right(tmp_path: Path) -> None:
    found = [(scene.name, scene.cause, audited(scene, tmp_path).cause) for scene in scenes(range(1))]
    wrong = [row for row in found if row[1] != row[2]]
    assert len(found) == len(FAULTS) + len(INTERVAL_FAULTS) - 1 >= 20
    assert len(wrong) <= len(found) // 20, wrong


def test_every_cause_is_among_the_seeded_faults() -> None:
    causes = {scene.cause for scene in scenes(range(1))}
    assert causes == {
        "wrong_read_date", "wrong_tariff_period", "meter_multiplier", "estimated_read", "demand_window", "tax",
        "missing_data", "unexplained",
    }  # fmt: skip


def test_no_right_bill_is_accused(tmp_path: Path) -> None:
    for scene in right_scenes(range(100, 108)):
        found = audited(scene, tmp_path)
        assert (found.verdict, found.cause, found.evidence) == ("agrees", "none", ()), scene.name
        assert all(line.delta == 0 for line in found.lines)


def test_right_register_bills_stay_right_for_many_meters(tmp_path: Path) -> None:
    assert {audited(register_scene("right", seed), tmp_path).verdict for seed in range(40)} == {"agrees"}


@pytest.mark.parametrize("name", ["next_tariff", "multiplier_one", "early_start", "vat_rate"])
def test_a_suspicion_that_is_not_raised_is_not_the_cause(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    scene = register_scene(name, 2)
    assert audited(scene, tmp_path).cause == scene.cause
    raised = classify._suspicions

    def without(case: object, pairs: object) -> list[Suspicion]:
        return [each for each in raised(case, pairs) if each.cause != scene.cause]  # type: ignore[arg-type]

    monkeypatch.setattr(classify, "_suspicions", without)
    if scene.cause != "tax":  # what only the tax line shows needs no second billing
        assert audited(scene, tmp_path).cause != scene.cause


def test_the_evidence_names_what_was_changed(tmp_path: Path) -> None:
    found = audited(interval_scene("demand_60_min", 0), tmp_path)
    assert "fixed blocks of 60 min; the tariff says block windows of 30 min" in found.evidence[0]
    assert "every line comes to the billed amount" in found.evidence[1]
