"""The simple tariff table of an auditor: `{CODE: {supplier, currency, day_rate, night_rate, …}}` (cli.md, File shapes).

Day and night are registers of the meter; the table does not say their hours.
"""

from collections.abc import Mapping
from typing import Any

from pydantic import ValidationError

from data_quality.contracts.billing.tariff import Tariff
from data_quality.contracts.errors import BadInput
from data_quality.contracts.model_faults import sentence_of

KEYS = frozenset(
    {
        "supplier", "currency", "day_rate", "night_rate", "standing_per_day",
        "ccl_per_kwh", "vat", "valid_from", "valid_to",
    }
)  # fmt: skip
# A table without a night rate has one register; only business supplies in Great Britain pay the levy (CCL).
_NEEDED = KEYS - {"night_rate", "ccl_per_kwh", "supplier"}


def is_simple_table(document: object) -> bool:
    """True for a mapping of codes to mappings with a day rate."""
    return (
        isinstance(document, Mapping)
        and bool(document)
        and all(isinstance(row, Mapping) and "day_rate" in row for row in document.values())
    )


def read_simple_table(document: Mapping[str, Any], *, file: str = "") -> dict[str, Tariff]:
    """CODE -> tariff. Lines: energy.day, energy.night, standing, ccl (on all kWh), vat (on all of them).

    Raises BadInput naming the code and the key.
    """
    return {str(code): _tariff(str(code), row, file) for code, row in document.items()}


def _tariff(code: str, row: Mapping[str, Any], file: str) -> Tariff:
    if foreign := sorted(set(row) - KEYS):
        raise BadInput(f"tariff {code}: unknown key {', '.join(foreign)}", file=file, reason="unknown_key")
    if lacking := sorted(_NEEDED - set(row)):
        raise BadInput(f"tariff {code}: key {', '.join(lacking)} is missing", file=file, reason="incomplete_tariff")
    periods: list[dict[str, Any]] = [{"period_id": "day", "price_per_kwh": row["day_rate"]}]
    if "night_rate" in row:
        periods.append({"period_id": "night", "price_per_kwh": row["night_rate"]})
    energy: dict[str, Any] = {"charge_id": "energy", "description": "units", "periods": periods, "by_register": True}
    levy: list[dict[str, Any]] = []
    if "ccl_per_kwh" in row:
        levy = [{"charge_id": "ccl", "description": "climate change levy", "price_per_kwh": row["ccl_per_kwh"]}]
    try:
        return Tariff.model_validate(
            {
                "tariff_id": code,
                "supplier": row.get("supplier", ""),
                "currency": row["currency"],
                "valid_from": row["valid_from"],
                "valid_to": row["valid_to"],
                "energy": [energy],
                "fixed": [
                    {
                        "charge_id": "standing",
                        "description": "standing charge",
                        "amount": row["standing_per_day"],
                        "per": "day",
                    }
                ],
                "riders": levy,
                "taxes": [{"charge_id": "vat", "description": "VAT", "share": row["vat"]}],
            }
        )
    except ValidationError as error:
        fault = error.errors()[0]
        where = ".".join(str(part) for part in fault["loc"])
        raise BadInput(f"tariff {code}: {where}: {sentence_of(fault)}", file=file, reason="bad_tariff") from error
