"""Options that several commands of `bill` share, and what they name."""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

from assets.bills.documents.read_load import read_load, read_prices, zone_of
from assets.bills.engine.bill_load import Load
from assets.tariffs.price_series import PriceSeries
from data_quality.contracts.billing.tariff import Tariff
from data_quality.contracts.errors import BadInput
from data_quality.contracts.time import zone
from orchestration.operations.operation import Call, Option

LoadOption = Annotated[Path | None, Option("--load", help="Interval energy: timestamp,kwh|kw|m3.")]
PricesOption = Annotated[Path | None, Option("--prices", help="timestamp,<currency>_per_kwh|_per_mwh.")]


def prices_of(path: Path | None, tariffs: Sequence[Tariff], time_zone: str) -> dict[str, PriceSeries]:
    """The file's prices under the name that the tariffs ask for. Raises BadInput where they ask for two."""
    if path is None:
        return {}
    # A price file has no name of its own: it is whatever one series the tariffs ask for.
    names = {charge.series.series for tariff in tariffs for charge in tariff.energy_charges if charge.series}
    names |= {tariff.export.series.series for tariff in tariffs if tariff.export and tariff.export.series}
    if len(names) > 1:
        raise BadInput(f"tariffs ask for the series {', '.join(sorted(names))}; --prices is one", reason="price_gap")
    return {name: read_prices(path, time_zone=time_zone, name=name) for name in names}


def load_said(call: Call, path: Path, **how: Any) -> Load:
    """The load of a file, its warnings said. how: as `read_load` is asked. Raises BadInput."""
    file = read_load(path, **how)
    for warning in file.warnings:
        call.say(warning)
    return file.load


def zone_to_use(asked: str | None, tariffs: Sequence[Tariff], load: Path | None, call: Call) -> str:
    """--tz, else the tariffs' zone, else the one offset of the load's times, which is said; days alone need none.

    Raises BadInput.
    """
    named = sorted({tariff.time_zone for tariff in tariffs if tariff.time_zone})
    if asked is not None or len(named) == 1:
        # Looked up for its refusal: an unknown zone is told here, not from inside the computation.
        chosen = asked or named[0]
        zone(chosen)
        return chosen
    if len(named) > 1:
        raise BadInput(f"tariffs name the zones {', '.join(named)}; give --tz", reason="no_zone")
    found = zone_of(load) if load is not None else "UTC"
    if found is None:
        raise BadInput("times have no offset and no zone is named", reason="no_zone", mend="give --tz")
    if load is not None:
        call.say(
            f"no zone is named by --tz or the tariff: days and months are those of {found}, as the file's times say"
        )
    return found
