"""What the site file says of the devices that a plan may use."""

from pydantic import ValidationError

from data_quality.contracts.errors import BadInput
from data_quality.contracts.meter import Carrier
from data_quality.contracts.plan import BatteryParams
from data_quality.contracts.site import Asset, Site

# Two names for one figure are in use: makers print "nameplate", installers "peak".
_PV_RATING = ("nameplate_kw", "peak_kw")


def first_asset(site: Site, kind: str) -> Asset | None:
    """The site's first asset of a kind; None where it has none. A plan uses one battery and one PV system."""
    return next((asset for asset in site.assets if asset.kind == kind), None)


def battery_of(site: Site) -> BatteryParams | None:
    """Limits of the site's battery from its asset's params; None where the site has none. Raises BadInput."""
    asset = first_asset(site, "battery")
    if asset is None:
        return None
    known = {name: value for name, value in asset.params.items() if name in BatteryParams.model_fields}
    try:
        return BatteryParams.model_validate(known)
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(["params", *(str(part) for part in first["loc"])])
        raise BadInput(
            f"site {site.site_id}, asset {asset.asset_id!r}, {key}: {first['msg']}", reason="bad_asset"
        ) from error


def pv_of(site: Site) -> float | None:
    """Rating of the site's PV system, kW; None where the site has none. Raises BadInput where it is not given."""
    asset = first_asset(site, "pv")
    if asset is None:
        return None
    for name in _PV_RATING:
        if name in asset.params:
            return asset.params[name]
    raise BadInput(
        f"site {site.site_id}, asset {asset.asset_id!r}: params need {' or '.join(_PV_RATING)}", reason="bad_asset"
    )


def connection_kw(site: Site) -> float | None:
    """What the grid connection carries, kW, either way: the connected load of its electricity meters; None unknown."""
    limits = [
        meter.connected_load_kw
        for meter in site.meters
        if meter.carrier == Carrier.ELECTRICITY and meter.parent is None and meter.connected_load_kw is not None
    ]
    return sum(limits) if limits else None
