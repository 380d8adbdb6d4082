"""Mends of a plan that cannot be made: a command, or a place of the site file, by the code of the finding."""

from assets.stores.ledgers.job_outcomes import TO_MEND
from controls.optimiser.devices.kinds import KINDS
from data_quality.contracts.finding import Finding
from data_quality.contracts.site_file.site import Site


def sentence_of(finding: Finding, site: Site) -> str:
    """Message of a job whose plan cannot be made, with the remedy."""
    return f"{finding.message}{TO_MEND}{mend_of(finding, site)}"


def with_mend(finding: Finding, site: Site, option: str = "") -> Finding:
    """The finding with what mends it, as a command or a place of the site file. option: ` --project DIR` or nothing."""
    return finding.model_copy(update={"facts": finding.facts | {"mend": mend_of(finding, site, option)}})


def mend_of(finding: Finding, site: Site, option: str = "") -> str:
    """The mends of all that the finding names."""
    mends = _mends(finding, site, option)
    then = f"meterloom plan --site {site.site_id}{option}"
    return "; ".join(mends) or f"correct what the sentence names in {_file(site)}, then: {then}"


def _file(site: Site) -> str:
    return f"sites/{site.site_id}.yaml"


def command_of(finding: Finding, site: Site, option: str = "") -> str:
    """The first of the mends that is a command; empty where all are places of the site file."""
    return next((each for each in _mends(finding, site, option) if each.startswith("meterloom ")), "")


def _mends(finding: Finding, site: Site, option: str) -> list[str]:
    codes = str(finding.facts.get("codes") or finding.code).split(",")
    found = list(dict.fromkeys(each for code in codes if (each := _mend(code, finding, site, option))))
    # Prices of each hour may have been the wrong answer: who pays one price has none to ingest.
    fixed = f"or, if one price holds for every kWh, price_per_kwh of a period in place of series in {_file(site)}"
    shown = f"or, from assumptions and without commands: meterloom plan --site {site.site_id} --for tomorrow{option}"
    simulated = [f"start the simulated devices: meterloom up{option}"] * site.is_simulated
    further = {_ingest_prices(site, option): [fixed], _test_device(site, option): [*simulated, shown]}
    return [more for each in found for more in (each, *further.get(each, ()))]


def _test_device(site: Site, option: str) -> str:
    return f"meterloom devices test DEVICE --site {site.site_id}{option}"


def _ingest_prices(site: Site, option: str) -> str:
    return f"meterloom ingest PRICES.csv --site {site.site_id}{option}"


def _is_of_a_state(code: str) -> bool:
    name = code.removeprefix("no_").removesuffix("_too_old").removesuffix("_out_of_bounds")
    return any(f"_{name}".endswith(f"_{kind.measure.code}") for kind in KINDS.values() if kind.measure)


def _mend(code: str, finding: Finding, site: Site, option: str) -> str:
    here, file = f"--site {site.site_id}{option}", _file(site)
    prices, tariff = _ingest_prices(site, option), f"a tariff that holds on these days, in {file}"
    if code == "no_load_forecast" and not site.forecast_targets:
        return f"name the meter of the load under forecast_targets in {file}, then: meterloom forecast issue {here}"
    if code.endswith(("_forecast", "_forecast_too_old")):
        return f"meterloom forecast issue {here}"
    if code == "horizon_too_short":
        reach = {name: float(hours or 0) for name, hours in finding.facts.items() if name.endswith("_h")}
        short = min(reach.keys() - {"covered_h"}, key=lambda name: (reach[name], name), default="")
        return {"prices_h": prices, "tariff_h": tariff}.get(short, f"meterloom forecast issue {here}")
    if code.startswith("prices_"):
        return prices
    if _is_of_a_state(code):
        return _test_device(site, option)
    return {
        "no_readings": f"meterloom ingest FILE {here}",
        "no_battery": f"name the devices under assets in {file}",
        "no_connection_limit": f"give connected_load_kw of the main meter in {file}",
        "no_prices": tariff,
        "no_electricity_tariff": tariff,
        "infeasible": f"let a limit or a wish that is named give way in {file}, then: meterloom plan {here}",
        "no_plan_in_time": f"plan_steps: moving in {file} makes fewer steps, then: meterloom plan {here}",
        "clock_wrong": "set the clock of this machine: sudo timedatectl set-ntp true",
    }.get(code, "")
