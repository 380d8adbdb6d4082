"""A tariff file of any of three shapes, told apart by content: our language, URDB JSON, the simple table."""

from pathlib import Path
from typing import Any

from pydantic import ValidationError

from assets.tariffs.calendar_layout import NotExact, check_periods
from assets.tariffs.formats.simple_table import is_simple_table, read_simple_table
from assets.tariffs.formats.urdb import is_urdb, read_urdb
from data_quality.contracts.billing.tariff import Tariff, TariffFile
from data_quality.contracts.errors import BadInput
from data_quality.contracts.model_faults import sentence_of
from data_quality.contracts.yaml_file import load_yaml, place_of, validate_document


def read_tariffs(path: Path) -> tuple[Tariff, ...]:
    """Every tariff of the file, each checked: exactly one period holds at each instant. Raises BadInput.

    JSON is read as the YAML that it is, so that complaints name line and column.
    """
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
    if is_simple_table(document):
        return tuple(read_simple_table(document, file=file).values())
    if isinstance(document, dict) and "tariffs" in document:
        return validate_document(document, TariffFile, file).tariffs
    if not isinstance(document, dict):
        raise BadInput(
            "expected a tariff: our language, a URDB rate object, or a table of codes", file=file, reason="no_tariff"
        )
    return (validate_document(document, Tariff, file),)
