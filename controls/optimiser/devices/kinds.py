"""The kinds of device that a plan knows: whatever the files of this folder define. Adding a file adds a kind."""

import importlib
import pkgutil

from controls.optimiser import devices
from controls.optimiser.devices.device import Device
from data_quality.contracts.errors import OurFault
from data_quality.contracts.plan import PlanRequest
from data_quality.contracts.site import Asset, Site

for _file in pkgutil.iter_modules(devices.__path__):
    if _file.name != "kinds":
        importlib.import_module(f"{devices.__name__}.{_file.name}")
# By the name that site files (Asset.kind) and stored plans have for it.
KINDS: dict[str, type[Device]] = {
    kind.kind: kind  # type: ignore[type-abstract]  # every subclass is concrete
    for kind in Device.__subclasses__()
    if kind.__module__.startswith(devices.__name__)
}


def devices_of(request: PlanRequest) -> tuple[Device, ...]:
    """The devices of a request, stored or fresh. Raises OurFault for a kind that this version does not know."""
    unknown = {one.kind for one in request.devices} - set(KINDS)
    if unknown:
        raise OurFault(f"the plan of {request.site_id} holds devices of an unknown kind: {', '.join(sorted(unknown))}")
    return tuple(KINDS[one.kind].model_validate({"device_id": one.device_id} | one.figures) for one in request.devices)


def device_assets(site: Site) -> list[tuple[Asset, type[Device]]]:
    """The site's assets that a plan may use, in the order of the site file."""
    return [(asset, KINDS[asset.kind]) for asset in site.assets if asset.kind in KINDS]
