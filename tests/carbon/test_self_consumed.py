"""Self-consumed solar energy is no purchase, and a roof that looks like a purchase is named."""

from datetime import UTC, datetime, timedelta
from typing import Any

import polars as pl

from assets.carbon.factor_choice.factor_view import factor_view
from assets.carbon.inventory.energies import bought_generation, site_energies
from assets.carbon.inventory.site_footprint import site_footprint
from data_quality.contracts.site_file.site import Site
from data_quality.contracts.time import parse_period

DAY = parse_period("2024-06-01/2024-06-02", "UTC")


def roof(register: str = "generation", **pv: Any) -> Site:
    return Site.model_validate(
        {
            "site_id": "roof", "name": "Roof", "time_zone": "UTC", "currency": "EUR", "country": "DE",
            "meters": [
                {"meter_id": "main", "registers": [{"register_id": "import"}, {"register_id": "export"}]},
                {"meter_id": "pv", "registers": [{"register_id": register}], **pv},
            ],
            "assets": [{"asset_id": "sun", "kind": "pv", "meter": "pv"}],
            "factors": [
                {
                    "factor_id": "DE", "kgco2e_per_kwh": 0.4, "valid_from": "2024-01-01", "valid_to": "2025-01-01",
                    "source": "x",
                }
            ],
        }
    )  # fmt: skip


def readings(*quantities: tuple[str, str, float]) -> pl.DataFrame:
    """A day of equal quarter hours of each meter and register, kWh of the day."""
    start = datetime(2024, 6, 1, tzinfo=UTC)
    return pl.DataFrame(
        [
            {
                "site_id": "roof", "meter_id": meter, "register": register, "unit": "kwh", "quality_code": 0,
                "interval_start_utc": start + number * timedelta(minutes=15), "value": kwh / 96,
            }
            for meter, register, kwh in quantities
            for number in range(96)
        ],
        schema_overrides={"interval_start_utc": pl.Datetime("us", "UTC")},
    )  # fmt: skip


def energies(site: Site, frame: pl.DataFrame) -> dict[str, float | None]:
    found = site_energies(frame, site=site, period=DAY)
    return {each.role: None if each.kwh is None else float(each.kwh) for each in found}


def test_what_is_made_and_not_fed_in_is_self_consumed_and_emits_nothing() -> None:
    site = roof()
    frame = readings(("main", "import", 48), ("main", "export", 24), ("pv", "generation", 72))
    assert energies(site, frame) == {"purchased": 48, "exported": 24, "self_consumed": 48}
    found = site_footprint(site, site_energies(frame, site=site, period=DAY), factor_view(site), period=DAY)
    assert found.scope2_location_kgco2e == found.scope2_market_kgco2e == 48 * found.lines[0].kgco2e_per_kwh
    assert {"not_counted_self_consumed", "not_counted_exported"} <= {each.code for each in found.findings}


def test_a_roof_that_was_not_read_or_that_made_less_than_left_is_not_guessed() -> None:
    assert "self_consumed" not in energies(roof(), readings(("main", "import", 48), ("main", "export", 24)))
    less = readings(("main", "import", 48), ("main", "export", 24), ("pv", "generation", 12))
    assert "self_consumed" not in energies(roof(), less)


def test_a_roof_that_counts_like_a_purchase_is_named() -> None:
    assert bought_generation(roof("import")) == ("pv",)
    assert bought_generation(roof("import", parent="main")) == bought_generation(roof()) == ()
    site = roof("import")
    frame = readings(("main", "import", 48), ("pv", "import", 24))
    found = site_footprint(site, site_energies(frame, site=site, period=DAY), factor_view(site), period=DAY)
    (finding,) = [each for each in found.findings if each.code == "generation_as_purchase"]
    assert "meter pv counts generation in the register of what is bought" in finding.message
