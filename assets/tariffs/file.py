"""A tariff file of any of three shapes, told apart by content: our language, URDB JSON, the simple table."""

from pathlib import Path
from typing import Any

from pydantic import ValidationError

from assets.tariffs.layout import check_periods
from assets.tariffs.simple_table import is_simple_table, read_simple_table
from assets.tariffs.urdb import is_urdb, read_urdb
from data_quality.contracts.errors import BadInput
from data_quality.contracts.tariff import Tariff, TariffFile
from data_quality.contracts.yaml_file import load_yaml, validate_document


def read_tariffs(path: Path) -> tuple[Tariff, ...]:
    """Every tariff of the file, each checked: exactly one period holds at each instant. Raises BadInput.

    JSON is read as the YAML that it is, so that complaints name line and column.
    """
    document = load_yaml(path)
    found = _tariffs(document, path)
    for tariff in found:
        try:
            check_periods(tariff)
        except BadInput as fault:
            raise BadInput(fault.message, file=str(path), reason=fault.reason, mend=fault.mend) from fault
    return found


def _tariffs(document: Any, path: Path) -> tuple[Tariff, ...]:
    file = str(path)
    if is_urdb(document):
        try:
            return (read_urdb(document, file=file, name=path.stem),)
        except ValidationError as error:
            fault = error.errors()[0]
            where = ".".join(str(part) for part in fault["loc"])
            message = f"URDB rate: {where}: {fault['msg'].removeprefix('Value error, ')}"
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
