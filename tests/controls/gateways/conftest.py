"""Shared fixtures of tests of gateways."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from controls.gateways.open import Gateways
from controls.templates.load_templates import load_template
from data_quality.contracts.settings import OcppSettings, Settings
from data_quality.contracts.site_file.site import Asset
from data_quality.contracts.time import FixedClock
from tests.controls.gateways.ocpp_yard import VERSIONS, Yard


@pytest.fixture(params=VERSIONS)
def yard(request: pytest.FixtureRequest, tmp_path: Path, clock: FixedClock) -> Iterator[Yard]:
    (tmp_path / "ev.key").write_text("secret\n")
    (tmp_path / "ev.key").chmod(0o600)
    settings = Settings(ocpp=OcppSettings(port=0, keys=str(tmp_path)))
    template = load_template(f"{request.param}_charger")
    asset = Asset(asset_id="ev", kind="ev_charger", template=template.template)
    gateways = Gateways("home", settings, clock)
    yard = Yard(gateways, clock, template, asset, tmp_path)
    gateways.open_reader(asset, template)
    yield yard
    gateways.close()
