"""The schema that is shipped is that of the language."""

import json
from pathlib import Path

from assets.tariffs.formats.tariff_file import read_tariffs
from data_quality.contracts.billing.tariff import Tariff
from tests.conftest import ROOT

SCHEMA = ROOT / "docs" / "ems" / "tariff.schema.json"


def test_the_shipped_schema_is_that_of_the_model() -> None:
    assert json.loads(SCHEMA.read_text()) == Tariff.model_json_schema()


def test_the_example_of_the_manual_is_a_tariff(tmp_path: Path) -> None:
    example = tmp_path / "tariff.yaml"
    example.write_text((ROOT / "docs" / "ems" / "tariffs.md").read_text().split("```yaml\n")[1].split("```")[0])
    assert read_tariffs(example)[0].tariff_id == "works-2025"
