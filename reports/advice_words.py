"""Names of recommendations: the kind as people call it, and what it is about."""

from collections.abc import Mapping

from data_quality.contracts.reporting.recommendation import Recommendation
from data_quality.contracts.sentence import Sentence, Text
from data_quality.contracts.site_file.site import Site
from reports.texts.locales import named

# Kinds of recommendation as people call them.
TITLES: Mapping[str, str] = {
    "base_load": "Night and weekend load: {0}", "start_stop": "Start and stop times: {0}",
    "simultaneous": "Heating and cooling at once: {0}", "setpoint": "Temperature set-point: {0}",
    "compressed_air": "Compressed-air leaks: {0}", "demand_charge": "Peak demand: {0}",
    "power_factor": "Power factor: {0}", "billing_fault": "Billing faults: {0}",
    "contracted_power": "Contracted power: {0}", "ev_hours": "Car charging hours: {0}", "pv": "Solar power: {0}",
    "battery": "Battery: {0}", "tariff_switch": "Another tariff: {0}",
}  # fmt: skip


def scope_name(site: Site, scope: str) -> str:
    """The name of the meter or site that a recommendation is about; of anything else the text itself."""
    kind, _, name = scope.partition(":")
    return site.stream_name(name) if kind == "meter" else site.name if kind == "site" else scope


def title_of(of: Recommendation, scope: str) -> Text:
    """Its kind and what it is about."""
    return Sentence(TITLES[of.kind], named(scope))
