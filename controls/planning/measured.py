"""The charge of a site's battery as the device itself says it, now: for the plan, and for the question of a new one."""

from collections.abc import Callable

from controls.planning.devices import battery_of, first_asset
from controls.planning.inputs import soc_findings
from controls.templates.load import load_template
from data_quality.contracts.errors import BadInput, WorldFault
from data_quality.contracts.finding import Finding
from data_quality.contracts.settings import Settings
from data_quality.contracts.site import Site
from data_quality.contracts.time import Clock

# State of charge in kWh and its age in seconds; raises a WorldFault when the device does not answer.
ReadSoc = Callable[[], tuple[float, float]]


def soc_reader(site: Site, settings: Settings, clock: Clock) -> ReadSoc:
    """A function that asks the battery itself for its charge. Raises BadInput where the site has none."""
    from controls.gateways.open import open_reader

    battery = first_asset(site, "battery")
    if battery is None:
        raise BadInput(f"site {site.site_id!r} has no battery", reason="no_battery")
    asset, template = battery, load_template(battery.template)

    def read() -> tuple[float, float]:
        device = open_reader(asset, template, site_id=site.site_id, settings=settings, clock=clock)
        try:
            return soc_kwh(site, device.read("read_soc_percent")), 0.0
        finally:
            device.close()

    return read


def measured_soc_kwh(read_soc: ReadSoc, site_id: str) -> float | Finding:
    """The charge, or why it is not known: a device that does not answer, or a value that is too old for a plan."""
    try:
        charge_kwh, age_s = read_soc()
    except WorldFault as fault:
        said = f"the state of charge is not known: {fault}"
        return Finding(code="no_soc", message=said, severity="warning", scope=site_id)
    findings = soc_findings(charge_kwh, age_s)
    return findings[0].model_copy(update={"severity": "warning", "scope": site_id}) if findings else charge_kwh


def soc_kwh(site: Site, soc_percent: float) -> float:
    """Charge in kWh of a battery that says percent."""
    battery = battery_of(site)
    return 0.0 if battery is None else battery.capacity_kwh * soc_percent / 100
