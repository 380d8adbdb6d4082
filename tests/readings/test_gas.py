"""Gas volume becomes energy by stated factors only, to the last quantum, and stays beside what was counted."""

from datetime import date

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from assets.readings.tables.normalise import kwh_per_m3
from data_quality.contracts.quality import QualityCode
from data_quality.contracts.site_file.meter import Carrier, GasFactors, Meter, Register
from data_quality.contracts.site_file.site import Site
from tests.readings.rooms import Bench, plant

UK = GasFactors(
    valid_from=date(2025, 1, 1),
    valid_to=date(2025, 2, 1),
    volume_correction=1.02264,
    calorific_value_mj_per_m3=39.5,
    source="bill",
)
VOLUME, ENERGY = Register(register_id="volume", unit="m3"), Register(unit="kwh")


def site(*factors: GasFactors) -> Site:
    gas = Meter(meter_id="gas", carrier=Carrier.NATURAL_GAS, registers=(ENERGY, VOLUME), gas_factors=factors)
    return plant(meters=(Meter(meter_id="main"), gas))


def hours(*cells: str) -> str:
    return "meter,timestamp,m3\n" + "".join(f"gas,{cell}\n" for cell in cells)


def test_the_british_example_gives_its_kwh() -> None:
    # 1.02264 * 39.5 / 3.6, formulas 5.1.
    assert kwh_per_m3(UK) == pytest.approx(11.2206, abs=5e-5)


def test_volume_is_kept_and_energy_derived_beside_it(bench: Bench) -> None:
    report = bench.ingest(hours("2025-01-10T00:00Z,4", "2025-01-10T01:00Z,8"), site=site(UK))
    assert (report.reasons, report.accepted_rows, report.new_rows) == ({}, 2, 16)
    assert bench.values("gas", "volume") == [1.0] * 4 + [2.0] * 4
    assert bench.values("gas", "import") == [11.220633333] * 4 + [22.441266667] * 4
    rows = bench.lake.current("plant")
    assert set(rows.filter(rows["register"] == "import")["quality_code"]) == {int(QualityCode.DERIVED)}
    assert set(rows.filter(rows["register"] == "volume")["quality_code"]) == {int(QualityCode.RAW)}


def test_a_factor_holds_on_its_local_dates_and_no_other_is_guessed(bench: Bench) -> None:
    # Midnight of 1 February in Berlin is 23:00 UTC of the day before.
    text = hours("2025-01-31T22:00Z,4", "2025-01-31T23:00Z,4")
    assert bench.ingest(text, site=site(UK)).reasons == {}
    assert bench.values("gas", "volume") == [1.0] * 8
    assert len(bench.values("gas", "import")) == 4


def test_without_factors_cubic_metres_stay_cubic_metres(bench: Bench) -> None:
    gas = Meter(meter_id="gas", carrier=Carrier.NATURAL_GAS, registers=(Register(unit="m3"),))
    bench.ingest(hours("2025-01-10T00:00Z,4", "2025-01-10T01:00Z,8"), site=plant(meters=(Meter(meter_id="main"), gas)))
    assert bench.values("gas") == [1.0] * 4 + [2.0] * 4
    assert set(bench.lake.current("plant")["unit"]) == {"m3"}


def test_each_date_has_its_own_factor(bench: Bench) -> None:
    later = UK.model_copy(
        update={
            "valid_from": date(2025, 2, 1),
            "valid_to": None,
            "calorific_value_mj_per_m3": 36.0,
            "volume_correction": 1.0,
        }
    )
    bench.ingest(hours("2025-01-31T22:00Z,4", "2025-01-31T23:00Z,4"), site=site(UK, later))
    assert bench.values("gas", "import") == [11.220633333] * 4 + [10.0] * 4


@settings(deadline=None)
@given(st.floats(0.5, 1.5), st.floats(20, 50))
def test_more_correction_or_heat_is_more_energy(correction: float, heat: float) -> None:
    factors = UK.model_copy(update={"volume_correction": correction, "calorific_value_mj_per_m3": heat})
    assert kwh_per_m3(factors) == pytest.approx(correction * heat / 3.6)


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"carrier": Carrier.HEAT}, "need carrier natural_gas"),
        ({"registers": (Register(unit="m3"),)}, "one register in m3 and one in kwh"),
        ({"gas_factors": (UK, UK)}, "overlap"),
        ({"gas_factors": (UK.model_copy(update={"valid_to": date(2024, 1, 1)}),)}, "valid_to must be after valid_from"),
    ],
)
def test_factors_that_cannot_hold_are_refused(change: dict[str, object], sentence: str) -> None:
    fields = {"meter_id": "gas", "carrier": Carrier.NATURAL_GAS, "registers": (ENERGY, VOLUME), "gas_factors": (UK,)}
    with pytest.raises(ValidationError, match=sentence):
        Meter.model_validate(fields | change)
