"""The states of a site's devices (a battery's charge) as they say themselves, now: for a plan, and for a new one."""

from collections.abc import Callable
from contextlib import closing

from controls.optimiser.devices.kinds import device_assets
from controls.optimiser.devices.room import Room
from controls.planning.plan_inputs import Measured, state_findings
from controls.templates.load_templates import load_template
from data_quality.contracts.errors import BadInput, WorldFault
from data_quality.contracts.finding import Finding
from data_quality.contracts.settings import Settings
from data_quality.contracts.site_file.site import Site
from data_quality.contracts.time import Clock

# States by asset id; raises a WorldFault when a device does not answer.
ReadStates = Callable[[], dict[str, Measured]]


def state_reader(site: Site, settings: Settings, clock: Clock) -> ReadStates:
    """A function that asks the devices themselves. Raises BadInput where the site has none that is asked."""
    # Only here: who plans in a test gives its own reader and needs no wire.
    from controls.gateways.open import Gateways

    gateways = Gateways(site.site_id, settings, clock)
    asked = [
        (asset, kind, kind.measure, load_template(asset.template))
        for asset, kind in device_assets(site)
        # The others say nothing, which a plan that needs their state then tells.
        if kind.measure and asset.template
    ]
    mute = [asset.asset_id for asset, kind in device_assets(site) if kind.measure and not asset.template]
    if mute and not asked:
        message = f"site {site.site_id!r} has no template to ask {', '.join(mute)} by"
        raise BadInput(message, reason="no_battery")

    def read() -> dict[str, Measured]:
        states = dict[str, Measured]()
        for asset, kind, measure, template in asked:
            try:
                with closing(gateways.open_reader(asset, template)) as device:
                    # What is not there has no state: a charger without a car.
                    is_there = not measure.presence or device.read(measure.presence) > 0
                    state = kind.measured(asset, site.site_id, device.read(measure.reading)) if is_there else None
            except WorldFault:
                # A room's model may stand in for its thermometer (stood_in.py); else what lacks is a finding.
                if not issubclass(kind, Room):
                    raise
            else:
                # Asked this moment, hence age 0: a gateway never gives a value from before.
                states[asset.asset_id] = state, 0.0
        return states

    return read


def measured_states(read_states: ReadStates, site: Site) -> dict[str, float | None] | Finding:
    """State by asset id (None: nothing is there to have one), or why it is not known.

    That is a device that does not answer, or a value too old for a plan.
    """
    try:
        states = read_states()
    except WorldFault as fault:
        words = dict.fromkeys(kind.measure.words for _, kind in device_assets(site) if kind.measure)
        said = f"{' or '.join(words)} is not known: {fault}"
        return Finding(code="no_soc", message=said, severity="warning", scope=site.site_id)
    findings = state_findings(site, states)
    if findings:
        return findings[0].model_copy(update={"severity": "warning", "scope": site.site_id})
    return {name: state for name, (state, _) in states.items()}
