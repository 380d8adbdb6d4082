"""Variants of a site: sizes with their units, the devices and tariffs that they change, and what they cost to buy."""

import re
from collections.abc import Sequence
from datetime import date
from functools import cache
from pathlib import Path

from pydantic import Field

from data_quality.contracts.billing.tariff import Tariff
from data_quality.contracts.control.what_if import Change, Price
from data_quality.contracts.errors import BadInput
from data_quality.contracts.model import Model
from data_quality.contracts.site_file.measure_cost import cost_of
from data_quality.contracts.site_file.site import Asset, Site
from data_quality.contracts.yaml_file import load_model

PRICES = Path(__file__).with_name("prices.yaml")
_SIZE = re.compile(r"(?P<amount>\d+(?:\.\d+)?) ?(?P<unit>[A-Za-z]+)")
_SCALES = {"kWh": {"Wh": 0.001, "kWh": 1.0, "MWh": 1000.0}, "kW": {"W": 0.001, "kW": 1.0, "kWp": 1.0, "MW": 1000.0}}
# Of a battery that is not there yet: power by capacity, window and one-way efficiency of a common home battery.
_NEW_BATTERY = {"soc_min": 0.1, "soc_max": 0.95, "charge_efficiency": 0.95, "discharge_efficiency": 0.95}
_POWER_PER_KWH = 0.5
NEW_BATTERY, NEW_PV = "what_if_battery", "what_if_pv"


class Variant(Model):
    """A change of a site. Sizes are totals after it; None: as it is. cost: what it costs to buy, where known."""

    name: str
    battery_kwh: float | None = Field(default=None, gt=0)
    pv_kw: float | None = Field(default=None, gt=0)
    heat_pump_kw: float | None = Field(default=None, gt=0)
    tariffs: tuple[Tariff, ...] = ()
    cost: float | None = Field(default=None, ge=0)

    @property
    def changes(self) -> tuple[Change, ...]:
        """Changes to the site."""
        sizes: dict[Change, object] = {"battery": self.battery_kwh, "pv": self.pv_kw, "heat_pump": self.heat_pump_kw}
        return (*(name for name, size in sizes.items() if size is not None), *(("tariff",) if self.tariffs else ()))


class _UnitPrice(Model):
    kind: str
    currency: str
    low_per_unit: float = Field(gt=0)
    high_per_unit: float = Field(gt=0)
    source: str


class _PriceFile(Model):
    prices: tuple[_UnitPrice, ...]


def size_of(text: str, unit: str, option: str) -> float:
    """A size in `unit` (kWh or kW) from text as "10kWh". Raises BadInput without a unit, with another, or for none."""
    found = _SIZE.fullmatch(text.strip())
    scale = _SCALES[unit].get(found["unit"]) if found else None
    amount = float(found["amount"]) if found else 0.0
    if scale is None or amount <= 0:
        raise BadInput(f"{option}: {text!r} is no size; expected a number above 0 with its unit, as 10{unit}",
                       reason="bad_size")  # fmt: skip
    return amount * scale


def joined(variants: Sequence[Variant], *, cost: float | None) -> Variant:
    """All changes at once. Raises BadInput where two change the same thing."""
    found: dict[str, object] = {}
    for each in variants:
        for name, value in each.model_dump(exclude={"name", "cost"}, exclude_defaults=True).items():
            if name in found:
                raise BadInput(f"--together: {name} is given twice; expected one", reason="bad_arguments")
            found[name] = getattr(each, name) if name == "tariffs" else value
    return Variant.model_validate({**found, "name": " + ".join(each.name for each in variants), "cost": cost})


def price_of(variant: Variant, site: Site, today: date) -> Price | None:
    """The price of the variant: as given, else of what is bought as the site states it today, or as the catalogue says.

    None where a part is not known.
    """
    if variant.cost is not None:
        return Price(low=variant.cost, high=variant.cost, source="given")
    bought = {
        "battery": variant.battery_kwh and variant.battery_kwh - _total(site, "battery", "capacity_kwh"),
        "pv": variant.pv_kw and variant.pv_kw - sum(_peak_kw(asset) for asset in _of(site, "pv")),
        "heat_pump": variant.heat_pump_kw, "tariff_switch": 0.0 if variant.tariffs else None,
    }  # fmt: skip
    low = high = 0.0
    sources = []
    for kind, amount in bought.items():
        if amount is None:
            continue
        part = _price(site, kind, max(amount, 0.0), variant.name, today)
        if part is not None:
            low, high = low + part.low, high + part.high
            sources.append(part.source)
        elif kind != "tariff_switch":
            return None
    return Price(low=low, high=high, source="; ".join(sources)) if sources else None


def _price(site: Site, kind: str, units: float, name: str, today: date) -> Price | None:
    """As the site states it, else as the catalogue lists it."""
    if stated := cost_of(site.measure_costs, kind, today, variant=name):
        units = 1.0 if stated.per is None else units
        return Price(low=stated.low * units, high=stated.high * units, source=stated.source)
    listed = next((each for each in _catalogue() if (each.kind, each.currency) == (kind, site.currency)), None)
    if listed is None:
        return None
    return Price(low=listed.low_per_unit * units, high=listed.high_per_unit * units, source=listed.source)


def is_more(variant: Variant, site: Site) -> bool:
    """The variant is a larger battery and nothing else: what it is more may be left alone."""
    is_alone = not variant.tariffs and variant.pv_kw is None and variant.heat_pump_kw is None
    return is_alone and (variant.battery_kwh or 0.0) >= _total(site, "battery", "capacity_kwh")


def with_battery(site: Site, size_kwh: float) -> Site:
    """The site with batteries of that capacity together, each scaled with its powers; a new one where there is none."""
    own = _of(site, "battery")
    if not own:
        power_kw = _POWER_PER_KWH * size_kwh
        params = {"capacity_kwh": size_kwh, "max_charge_kw": power_kw, "max_discharge_kw": power_kw, **_NEW_BATTERY}
        return _with(site, Asset(asset_id=NEW_BATTERY, kind="battery", params=dict(params)))
    return _scaled(
        site, "battery", size_kwh / _total(site, "battery", "capacity_kwh"),
        ("capacity_kwh", "max_charge_kw", "max_discharge_kw"),
    )  # fmt: skip


def with_pv(site: Site, size_kw: float) -> tuple[Site, float | None]:
    """The site with PV of that peak power, and by how much its own yield grows; None: it had none, one is new."""
    own = _of(site, "pv")
    if not own:
        return _with(site, Asset(asset_id=NEW_PV, kind="pv", params={"peak_kw": size_kw})), None
    factor = size_kw / sum(_peak_kw(asset) for asset in own)
    return _scaled(site, "pv", factor, ("peak_kw", "nameplate_kw")), factor


def with_tariffs(site: Site, tariffs: Sequence[Tariff], start: date, end: date) -> Site:
    """The site under other tariffs of electricity, a single one as if it held on all of [start, end), unless
    its days are published one by one.

    Raises BadInput where they are in another currency, or not of electricity.
    """
    for each in tariffs:
        if each.currency not in (None, site.currency):
            raise BadInput(f"tariff {each.tariff_id} is in {each.currency}, the site in {site.currency}",
                           reason="currency_mismatch")  # fmt: skip
        if each.commodity != "electricity":
            raise BadInput(f"tariff {each.tariff_id} is of {each.commodity}; expected electricity", reason="no_tariff")
    held = tuple(tariffs)
    # A colour that nobody has announced must not pass for the rest.
    if len(held) == 1 and not held[0].calendar.published_days:
        held = (held[0].model_copy(update={"valid_from": start, "valid_to": end}),)
    # Its own price stream would stand in for the price of the file.
    has_series = any(charge.series is not None for each in held for charge in each.energy_charges)
    others = tuple(each for each in site.tariffs if each.commodity != "electricity")
    stream = site.price_stream if has_series else None
    return site.model_copy(update={"tariffs": (*others, *held), "price_stream": stream})


def _scaled(site: Site, kind: str, factor: float, names: Sequence[str]) -> Site:
    def one(asset: Asset) -> Asset:
        if asset.kind != kind:
            return asset
        grown = {name: value * factor for name, value in asset.numbers.items() if name in names}
        return asset.model_copy(update={"params": asset.params | grown})

    return site.model_copy(update={"assets": tuple(one(asset) for asset in site.assets)})


def _with(site: Site, asset: Asset) -> Site:
    return site.model_copy(update={"assets": (*site.assets, asset)})


def _of(site: Site, kind: str) -> list[Asset]:
    return [asset for asset in site.assets if asset.kind == kind]


def _total(site: Site, kind: str, name: str) -> float:
    return sum(asset.numbers.get(name, 0.0) for asset in _of(site, kind))


def _peak_kw(asset: Asset) -> float:
    return asset.numbers.get("nameplate_kw") or asset.numbers.get("peak_kw", 0.0)


@cache
def _catalogue() -> tuple[_UnitPrice, ...]:
    return load_model(PRICES, _PriceFile).prices
