"""Small activities, factors and files that the tests of this room share."""

import json
from collections.abc import Sequence
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

from typer.testing import CliRunner

from assets.carbon.inventory.account import carbon_of
from data_quality.contracts.emissions.carbon import Activity, CarbonResult
from data_quality.contracts.factor import Basis, Factor
from orchestration.cli.main import build_app

YEAR = (date(2024, 1, 1), date(2025, 1, 1))
CARBON_COMMANDS = ("carbon", "factors")


def bought(quantity: str = "1000", **changes: object) -> Activity:
    """Electricity of 2024, kWh."""
    return Activity.model_validate(
        {
            "activity_id": "a", "activity": "electricity", "quantity": quantity, "unit": "kWh", "start": YEAR[0],
            "end": YEAR[1], "file": "activity.csv", "line": 2,
        }
        | changes
    )  # fmt: skip


def factor(value: str | None = "0.2", **changes: object) -> Factor:
    """A location-based factor of 2024 per kWh."""
    return Factor.model_validate(
        {
            "factor_id": "grid", "scope": 2, "activity": "electricity", "unit": "kWh", "kg_co2e_per_unit": value,
            "valid_from": YEAR[0], "valid_to": YEAR[1], "file": "factors.csv", "line": 2,
        }
        | changes
    )  # fmt: skip


def held(basis: Basis, value: str, **changes: object) -> Factor:
    """A market-based factor that meets every criterion unless changed."""
    criteria = {
        "is_conveyed": True, "is_unique": True, "is_redeemed": True, "is_same_market": True,
        "is_residual_mix_used": True, "vintage_from": YEAR[0], "vintage_to": YEAR[1],
    }  # fmt: skip
    criteria |= changes.pop("criteria", {})  # type: ignore[call-overload]
    return factor(value, **({"factor_id": basis.value, "basis": basis, "criteria": criteria} | changes))


def account(activities: Activity | Sequence[Activity], *factors: Factor, **options: Any) -> CarbonResult:
    """The account of one activity or several."""
    return carbon_of([activities] if isinstance(activities, Activity) else activities, factors, **options)


def by_basis(result: CarbonResult) -> dict[str, Decimal]:
    """Market-based kgCO2e by the basis that it stands on."""
    return {line.basis: line.kgco2e for line in result.lines if line.is_market}


def run(*words: object, code: int = 0) -> Any:
    """The command's result; its exit code must be that."""
    result = CliRunner().invoke(build_app(CARBON_COMMANDS), [str(word) for word in words])
    assert result.exit_code == code, (result.output, result.exception)
    return result


def answer(*words: object, code: int = 0) -> Any:
    """The JSON answer of a command."""
    return json.loads(run(*words, "--json", code=code).stdout)


def written(path: Path, *lines: str) -> Path:
    """A file of those lines."""
    path.write_text("\n".join([*lines, ""]), encoding="utf-8")
    return path
