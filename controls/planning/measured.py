"""The states of a site's devices (a battery's charge) as they say themselves, now: for a plan, and for a new one."""

from collections.abc import Callable, Mapping
from contextlib import closing

from controls.optimiser.devices.kinds import device_assets
from controls.planning.plan_inputs import Measured, state_findings
from controls.templates.load_templates import load_template
from data_quality.contracts.errors import WorldFault
from data_quality.contracts.finding import Finding
from data_quality.contracts.settings import Settings
from data_quality.contracts.site_file.site import Site
from data_quality.contracts.time import Clock


class States(dict[str, Measured]):
    """Measured states by asset id. faults: why the state of others is not known."""

    def __init__(self) -> None:
        super().__init__()
        self.faults: dict[str, str] = {}


# What the devices say; one that does not answer is among the faults and keeps no other waiting.
ReadStates = Callable[[], Mapping[str, Measured]]


def state_reader(site: Site, settings: Settings, clock: Clock) -> ReadStates:
    """A function that asks the devices themselves: those that have a template to be asked by."""
    # Only here: who plans in a test gives its own reader and needs no wire.
    from controls.gateways.open import Gateways

    gateways = Gateways(site.site_id, settings, clock)
    asked = [
        (asset, kind, kind.measure, load_template(asset.template))
        for asset, kind in device_assets(site)
        if kind.measure and asset.template
    ]

    def read() -> States:
        states = States()
        for asset, kind, measure, template in asked:
            try:
                with closing(gateways.open_reader(asset, template)) as device:
                    # What is not there has no state: a charger without a car.
                    is_there = not measure.presence or device.read(measure.presence) > 0
                    state = kind.measured(asset, site.site_id, device.read(measure.reading)) if is_there else None
            except WorldFault as fault:
                states.faults[asset.asset_id] = str(fault)
            else:
                # Asked this moment, hence age 0: a gateway never gives a value from before.
                states[asset.asset_id] = state, 0.0
        return states

    return read


def measured_states(read_states: ReadStates, site: Site) -> tuple[dict[str, float | None], dict[str, Finding]]:
    """State by asset id (None: nothing is there to have one), and of each other device why it is not known: it does not
    answer, or its value is too old or impossible.
    """
    states = read_states()
    found = state_findings(site, states, getattr(states, "faults", {}))
    unknown = {
        name: each.model_copy(update={"severity": "warning", "scope": site.site_id}) for name, each in found.items()
    }
    return {name: state for name, (state, _) in states.items() if name not in unknown}, unknown
