"""A tariff file of any of three shapes, recognised by content: our language, URDB JSON, the simple table; or a tariff
that is shipped, by its name.

Day and night are registers of the meter; the table does not say their hours.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from assets.tariffs.calendar_layout import NotExact, check_periods
from assets.tariffs.formats.urdb import is_urdb, read_urdb
from data_quality.contracts.billing.shipped_tariffs import library_file
from data_quality.contracts.billing.tariff import Tariff, TariffFile
from data_quality.contracts.errors import BadInput
from data_quality.contracts.model_faults import sentence_of
from data_quality.contracts.yaml_file import load_yaml, place_of, validate_document


def read_tariffs(path: Path) -> tuple[Tariff, ...]:
    """Every tariff of the file, each checked: exactly one period holds at each instant. Raises BadInput.

    A name without a file of that name is that of a shipped tariff. JSON is read as the YAML that it is, so that
    complaints name line and column.
    """
    path = library_file(path)
    document = load_yaml(path)
    found = _tariffs(document, path)
    for number, tariff in enumerate(found):
        try:
            check_periods(tariff)
        except NotExact as fault:
            line, column = _place(document, number, tariff, fault)
            raise BadInput(fault.message, file=str(path), line=line, column=column, reason=fault.reason) from fault
        except BadInput as fault:
            raise BadInput(fault.message, file=str(path), reason=fault.reason, mend=fault.mend) from fault
    return found


def _place(document: Any, number: int, tariff: Tariff, fault: NotExact) -> tuple[int, int]:
    """Line and column of the period in a file of our language, or of the charge's periods; 0 in other shapes."""
    # The other shapes name no periods as we do, so a period of ours has no line in them.
    if not isinstance(document, dict) or not {"tariffs", "tariff_id"} & set(document):
        return 0, 0
    start: list[str | int] = ["tariffs", number] if "tariffs" in document else []
    place: list[str | int] = ["periods"]
    for key, charges in (("energy", tariff.energy), ("demand", tariff.demand)):
        ids = [charge.charge_id for charge in charges]
        if fault.charge_id in ids:
            place = [key, ids.index(fault.charge_id), "periods"]
    if tariff.export is not None and fault.charge_id == tariff.export.charge_id:
        place = ["export", "periods"]
    return place_of(document, [*start, *place, *([] if fault.position is None else [fault.position])])


def _tariffs(document: Any, path: Path) -> tuple[Tariff, ...]:
    file = str(path)
    # By shape, ours last: whatever is no other shape is held to our language, whose complaints name our keys.
    if is_urdb(document):
        try:
            return (read_urdb(document, file=file, name=path.stem),)
        except ValidationError as error:
            fault = error.errors()[0]
            where = ".".join(str(part) for part in fault["loc"])
            message = f"URDB rate: {where}: {sentence_of(fault)}"
            raise BadInput(message, file=file, reason="bad_tariff") from error
    # A table of codes: each code leads to a mapping with a day rate.
    rows = document.values() if isinstance(document, Mapping) else ()
    if rows and all(isinstance(row, Mapping) and "day_rate" in row for row in rows):
        return tuple(read_simple_table(document, file=file).values())
    if isinstance(document, dict) and "tariffs" in document:
        return validate_document(document, TariffFile, file).tariffs
    if not isinstance(document, dict):
        raise BadInput(
            "expected a tariff: our language, a URDB rate object, or a table of codes", file=file, reason="no_tariff"
        )
    return (validate_document(document, Tariff, file),)


KEYS = frozenset(
    {
        "supplier", "currency", "day_rate", "night_rate", "standing_per_day",
        "ccl_per_kwh", "vat", "valid_from", "valid_to",
    }
)  # fmt: skip
# A table without a night rate has one register; only business supplies in Great Britain pay the levy (CCL).
_NEEDED = KEYS - {"night_rate", "ccl_per_kwh", "supplier"}


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
