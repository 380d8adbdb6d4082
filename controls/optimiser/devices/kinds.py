"""The kinds of device that a plan knows: whatever the files of this folder define. Adding a file adds a kind."""

import importlib
import pkgutil
from collections.abc import Iterator
from pathlib import Path

from controls.optimiser.devices.device import Device
from data_quality.contracts.control.plan import PlanRequest
from data_quality.contracts.errors import BadInput, OurFault
from data_quality.contracts.sentence import Text
from data_quality.contracts.site_file.site import Asset, Site
from data_quality.contracts.units import unit_of

_HERE = __name__.rpartition(".")[0]
# Importing defines the subclasses that the table below collects.
for _file in pkgutil.iter_modules([str(Path(__file__).parent)]):
    if f"{_HERE}.{_file.name}" != __name__:
        importlib.import_module(f"{_HERE}.{_file.name}")


def _below(base: type[Device]) -> Iterator[type[Device]]:
    for kind in base.__subclasses__():
        yield kind
        yield from _below(kind)


# By the name that site files (Asset.kind) and stored plans have for it; what several kinds share has none.
KINDS: dict[str, type[Device]] = {
    kind.kind: kind
    for kind in _below(Device)  # type: ignore[type-abstract]  # one that has a name is concrete
    # Classes that tests define are no kinds of this version.
    if kind.kind and kind.__module__.startswith(_HERE)
}
# Assets that are shown and simulated, and that no plan moves.
PASSIVE = frozenset({"grid_meter", "heating_relay", "machine"})


def devices_of(request: PlanRequest) -> tuple[Device, ...]:
    """The devices of a request, stored or fresh. Raises OurFault for a kind that this version does not know."""
    unknown = {one.kind for one in request.devices} - set(KINDS)
    if unknown:
        raise OurFault(f"the plan of {request.site_id} holds devices of an unknown kind: {', '.join(sorted(unknown))}")
    return tuple(KINDS[one.kind].model_validate({"device_id": one.device_id} | one.figures) for one in request.devices)


def device_assets(site: Site) -> list[tuple[Asset, type[Device]]]:
    """The site's assets that a plan may use, in the order of the site file.

    Raises BadInput for a kind that nobody knows: a battery that is misspelt would be left out in silence; and for a
    stored state that is none of its kind.
    """
    for asset in site.assets:
        if asset.kind not in KINDS and asset.kind not in PASSIVE:
            known = ", ".join(sorted({*KINDS, *PASSIVE}))
            message = f"site {site.site_id}, asset {asset.asset_id!r}: unknown kind {asset.kind!r}; expected {known}"
            raise BadInput(message, reason="bad_asset")
        if fault := state_fault(asset, site):
            raise BadInput(f"site {site.site_id}, {fault}", reason="bad_asset")
    return [
        (asset, KINDS[asset.kind]) for asset in site.assets if asset.kind in KINDS and KINDS[asset.kind].takes(asset)
    ]


def while_away(site: Site) -> dict[str, Text]:
    """Set-backs of the planned devices during absence, as text by asset id; devices without one are left
    out. Raises BadInput as `device_assets`.
    """
    texts = {asset.asset_id: kind.away(asset, site.site_id) for asset, kind in device_assets(site)}
    return {name: text for name, text in texts.items() if text}


def state_fault(asset: Asset, site: Site) -> str:
    """Why its `state_meter` cannot be the state of its kind; empty where it can."""
    stored = next((each for each in site.drivers if each.driver_id == asset.state_meter), None)
    if stored is None or asset.kind not in KINDS:
        return ""
    measure, named = KINDS[asset.kind].measure, f"asset {asset.asset_id!r}: state_meter {asset.state_meter!r}"
    if measure is None:
        return f"{named}: a {asset.kind} has no state that a plan begins with"
    unit = unit_of(stored.unit).canonical
    return "" if unit == measure.unit else f"{named} is in {unit}; expected {measure.words} in {measure.unit}"
