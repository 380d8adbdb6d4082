"""Campaigns: what is learnt, what is reported as unknown, and the same answer for the same input."""

from dataclasses import replace

import numpy as np
import pytest

from data_quality.contracts.reporting.disaggregation import Disaggregation, LoadClass
from ml.baselines.usage_tables.read_usage import Source
from ml.disaggregation.campaign import train_campaign
from ml.disaggregation.circuit import Circuit
from ml.disaggregation.class_model import BoostingParams
from ml.disaggregation.disaggregate import disaggregate
from ml.disaggregation.read_circuit import read_circuit
from tests.ml.disaggregation.a_shop import loads, write_energy, write_submeters

FAST = BoostingParams(small_trees=5)
TAUGHT = 6 * 168


@pytest.fixture(scope="module")
def circuit(tmp_path_factory: pytest.TempPathFactory) -> Circuit:
    folder, shop = tmp_path_factory.mktemp("campaign"), loads()
    meters = {"server": shop["server"], "pump": np.zeros(len(shop["server"]))}
    energy = write_energy(folder / "e.csv", sum(shop.values()))
    return read_circuit(Source(energy), write_submeters(folder / "s.csv", meters, until=TAUGHT), zone="UTC")[0]


def answer(circuit: Circuit, *classes: LoadClass) -> Disaggregation:
    given = classes or [LoadClass(name=name, meters=(name,)) for name in circuit.submeters]
    end = circuit.instant(len(circuit.kwh))
    campaign = train_campaign(circuit, given, (circuit.start_utc, circuit.instant(TAUGHT)), FAST)
    return disaggregate(circuit, (circuit.start_utc, end), campaign=campaign)


def test_a_class_never_on_is_not_estimable_and_the_others_are(circuit: Circuit) -> None:
    found = answer(circuit)
    pump, server = sorted(found.classes, key=lambda each: each.name)
    assert (pump.estimable, pump.kwh, pump.confidence) == (False, None, 0)
    assert server.estimable
    assert "class_not_estimable" in {each.code for each in found.findings}
    assert {row.kwh for row in found.rows if row.name == "pump"} == {None}


def test_a_member_that_was_hardly_on_is_named_and_its_class_is_estimated(circuit: Circuit) -> None:
    found = answer(circuit, LoadClass(name="all", meters=("server", "pump")))
    assert found.classes[0].estimable
    assert [each.facts["class"] for each in found.findings if each.code == "member_not_estimable"] == ["pump"]


def test_gaps_and_copied_days_are_named(circuit: Circuit) -> None:
    kwh = circuit.kwh.copy()
    kwh[10 * 24 : 11 * 24] = kwh[9 * 24 : 10 * 24]
    kwh[45 * 24 : 45 * 24 + 5] = np.nan
    found = answer(replace(circuit, kwh=kwh), LoadClass(name="server", meters=("server",)))
    facts = {each.code: each.facts for each in found.findings}
    assert facts["copied_days"] == {"days": 1}
    assert facts["gaps"]["intervals"] == 5
    assert sum(row.kwh is None for row in found.rows) == 5


def test_a_span_of_another_load_is_extrapolated_and_less_sure(circuit: Circuit) -> None:
    kwh = circuit.kwh.copy()
    kwh[TAUGHT:] *= 3
    plain = answer(circuit, LoadClass(name="server", meters=("server",))).classes[0]
    other = answer(replace(circuit, kwh=kwh), LoadClass(name="server", meters=("server",))).classes[0]
    assert (plain.extrapolated, other.extrapolated) == (False, True)
    assert plain.confidence > other.confidence
    assert other.confidence_label == "low"


def test_the_same_input_gives_the_same_answer(circuit: Circuit) -> None:
    assert answer(circuit) == answer(circuit)


def test_a_column_without_a_reading_in_the_training_teaches_nothing_and_stops_nothing(circuit: Circuit) -> None:
    late = np.full(len(circuit.kwh), np.nan)
    late[TAUGHT:] = 1.0
    server = LoadClass(name="server", meters=("server",))
    assert answer(replace(circuit, beside={"pv_kw": late}), server).classes[0].estimable
