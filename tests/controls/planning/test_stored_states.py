"""A device names the driver that holds its state; one in another unit, or none of its kind, is refused by name."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import yaml
from pydantic import ValidationError

from controls.optimiser.devices.kinds import device_assets
from controls.planning.asset_params import asset_problems
from data_quality.contracts.errors import BadInput
from data_quality.contracts.site_file.site import Site
from data_quality.contracts.yaml_file import load_yaml
from tests.controls.planning.examples import HOME

DRIVERS = [
    {"driver_id": "charge", "unit": "fraction", "aggregation": "mean"},
    {"driver_id": "boiler", "unit": "degf", "aggregation": "mean"},
    {"driver_id": "output", "unit": "count", "aggregation": "sum"},
]


def home(named: str | None, asset: int = 0, **more: Any) -> dict[str, Any]:
    """The home as its file says it, with such a state meter of its battery (0) or of its PV (1)."""
    content = HOME.model_dump(mode="json", exclude_unset=True)
    content["drivers"] = [*content["drivers"], *DRIVERS]
    content["assets"][asset] |= {"state_meter": named} | more
    return content


def test_a_charge_is_a_driver_in_percent_whatever_its_sources_write() -> None:
    site = Site.model_validate(home("charge"))
    assert device_assets(site)[0][0].state_meter == "charge"
    assert "state_meter" not in HOME.assets[0].model_dump(), "sites of before keep their hash"


@pytest.mark.parametrize(
    ("named", "message"),
    [
        ("soc", "state_meter: driver 'soc' is not of this site; it has spot, charge, boiler, output"),
        ("output", "state_meter 'output' is in count; expected percent or degc"),
    ],
)
def test_a_state_is_a_level_of_a_driver_of_the_site(named: str, message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        Site.model_validate(home(named))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (home("boiler"), "state_meter 'boiler' is in degc; expected the state of charge in percent"),
        (home("charge", 1), "state_meter 'charge': a pv has no state that a plan begins with"),
    ],
)
def test_the_unit_is_that_of_the_kind_and_check_says_the_line(
    content: dict[str, Any], message: str, tmp_path: Path
) -> None:
    site = Site.model_validate(content)
    with pytest.raises(BadInput, match=message):
        device_assets(site)
    path = tmp_path / "home.yaml"
    path.write_text(yaml.safe_dump(content, sort_keys=False))
    (problem,) = asset_problems(load_yaml(path), site, str(path), now_utc=datetime(2026, 1, 1, tzinfo=UTC))
    assert message in problem.message
    assert "state_meter:" in path.read_text().splitlines()[problem.line - 1]
