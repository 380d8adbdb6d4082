"""Starting states of a plan: reported by devices, else stored, else assumed, each named with its source.

Where commands follow the plan (PARTIAL, FULL) only what was just measured counts: another device is left out of it.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from assets.stores.lake.lake import Lake
from controls.optimiser.devices.device import Device
from controls.optimiser.devices.kinds import device_assets
from controls.planning.plan_inputs import Measured, role_of, state_findings
from data_quality.contracts.control.command import Mode
from data_quality.contracts.finding import Finding
from data_quality.contracts.site_file.site import Asset, Site

# What a store held a day ago says no more of it than an assumption.
STORED_FOR = timedelta(hours=24)
# Among the inputs of a plan, behind the id of a device: why it begins so, or why the plan goes without it.
_STORED, _ASSUMED, _LEFT_OUT = "_stored", "_assumed", "_left_out"
# A state, the ending of its label, the sentence, and its age in seconds where it was read.
Begun = tuple[float | None, str, str, float | None]


@dataclass(frozen=True)
class Starting:
    """site: with the devices that are planned. labels: for the inputs of the plan; findings: of those left out."""

    site: Site
    states: dict[str, Measured]
    labels: dict[str, str]
    findings: tuple[Finding, ...] = ()


def starting_states(
    site: Site,
    states: Mapping[str, Measured],
    *,
    faults: Mapping[str, str],
    lake: Lake,
    mode: Mode,
    now_utc: datetime,
) -> Starting:
    """The states that a plan begins with. states, faults: what the devices said, and why others did not."""
    unknown = state_findings(site, states, faults)
    known, labels = {name: state for name, state in states.items() if name not in unknown}, dict[str, str]()
    if mode >= Mode.PARTIAL:
        labels = {name + _LEFT_OUT: each.message for name, each in unknown.items()}
        kept = site.model_copy(update={"assets": tuple(one for one in site.assets if one.asset_id not in unknown)})
        return Starting(kept, known, labels, tuple(unknown.values()))
    for asset, kind in device_assets(site):
        if (why := unknown.get(asset.asset_id)) is None:
            continue
        state, key, told, age_s = _stored(site, asset, kind, lake, now_utc) or assumption(site, asset, kind)
        known[asset.asset_id] = state, 0.0
        if kind.measure:
            labels[f"{role_of(kind.measure.code, asset, site)}_age_s"] = "unknown" if age_s is None else f"{age_s:g}"
        # Of a device that could be asked, what came of it.
        labels[asset.asset_id + key] = f"{told}; {why.message}" if asset.template else told
    return Starting(site, known, labels)


def assumption(site: Site, asset: Asset, kind: type[Device]) -> Begun:
    """The assumed state of a device, told as an assumption."""
    state, words = kind.assumed(asset, site.site_id)
    return state, _ASSUMED, f"{asset.asset_id} is assumed to be {words}: nothing says its state", None


def _stored(site: Site, asset: Asset, kind: type[Device], lake: Lake, now_utc: datetime) -> Begun | None:
    if asset.state_meter is None or kind.measure is None:
        return None
    since_utc = now_utc - STORED_FOR
    rows = lake.current(site.site_id, start_utc=since_utc, end_utc=now_utc, meters=[asset.state_meter])
    rows = rows.drop_nulls("value")
    if rows.is_empty():
        return None
    start_utc, minutes, value = (
        rows.sort("interval_start_utc").select("interval_start_utc", "interval_minutes", "value").row(-1)
    )
    # The instant and not its age: the same reading is the same plan.
    read_utc = min(start_utc + timedelta(minutes=minutes), now_utc)
    state, unit = kind.measured(asset, site.site_id, float(value)), {"percent": "%", "degc": "°C"}[kind.measure.unit]
    if state_findings(site, {asset.asset_id: (state, 0.0)}).get(asset.asset_id):
        return None
    words = f"{asset.asset_id} begins with {value:.3g} {unit}, {asset.state_meter} of {read_utc:%Y-%m-%d %H:%M}Z"
    return state, _STORED, words, (now_utc - read_utc).total_seconds()


def left_out(inputs: Mapping[str, str]) -> dict[str, str]:
    """The devices that a plan goes without, by asset id, and why."""
    return _ending(inputs, _LEFT_OUT)


def not_measured(inputs: Mapping[str, str]) -> dict[str, str]:
    """The devices whose state at the start was stored or assumed, by asset id, in sentences: none is commanded."""
    return _ending(inputs, _STORED) | _ending(inputs, _ASSUMED)


def _ending(inputs: Mapping[str, str], ending: str) -> dict[str, str]:
    return {name.removesuffix(ending): said for name, said in inputs.items() if name.endswith(ending)}
