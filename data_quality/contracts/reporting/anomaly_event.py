"""An anomaly event as it is stored: when a meter differed from what is usual, by how much energy, and what it cost."""

from datetime import datetime, timedelta
from typing import Any, Literal

from data_quality.contracts.model import Model
from data_quality.contracts.reporting.open_finding import OpenFinding, Severity

SOURCE = "anomalies"
Cause = Literal["sensor_fault", "waste", "scheduled_change", "weather", "unknown"]
# What a kind is called, where its own name is no sentence.
KIND_TITLES = {
    "spike": "short peak", "high": "use unusually high", "low": "use unusually low", "dead": "no use counted",
    "stuck": "same reading repeated", "unit_scale": "possible unit error", "night_waste": "use at night unusually high",
    "drift": "use changes slowly",
}  # fmt: skip
CAUSE_TITLES: dict[Cause, str] = {
    "sensor_fault": "Sensor fault", "waste": "Waste", "scheduled_change": "Scheduled change", "weather": "Weather",
    "unknown": "Unknown cause",
}  # fmt: skip
# From this cost on, in the currency of the site, an open event is High and its month is warned about; below the other
# it is only to know.
COSTLY, SMALL = 100.0, 5.0
# Events that ended longer than this before the newest one need nobody any more.
OPEN_FOR = timedelta(days=92)


class AnomalyEvent(Model):
    """One event of one register of a meter. cause: likely; confidence: None where no classifier gave it.

    kwh: measured less expected, None where the register counts something else. cost: of these kWh at the energy
    price of the site's supply in the hours in which they were used; None with its reason in cost_finding.
    params_version: of the detectors' parameters; evidence: figures {name, value, unit}. is_withdrawn: the detectors no
    longer find it.
    """

    event_id: str
    site_id: str
    meter_id: str
    register_id: str
    kind: str
    cause: Cause | None = None
    confidence: float | None = None
    severity: Severity
    start_utc: datetime
    end_utc: datetime
    kwh: float | None = None
    cost: float | None = None
    currency: str
    cost_finding: str | None = None
    params_version: str
    evidence: tuple[dict[str, Any], ...] = ()
    is_withdrawn: bool = False

    def is_same_case(self, other: "AnomalyEvent") -> bool:
        """True where both are of one register and kind and share time: one that grew keeps its id."""
        mine, theirs = ((each.meter_id, each.register_id, each.kind) for each in (self, other))
        return mine == theirs and self.start_utc < other.end_utc and other.start_utc < self.end_utc


class AnomalyLabel(Model):
    """The cause of an event as a person says it, for the training of the classifier."""

    event_id: str
    site_id: str
    cause: Cause
    person_id: str
    reason: str
    recorded_at_utc: datetime


def event_id_of(site_id: str, meter_id: str, register_id: str, kind: str, start_utc: datetime) -> str:
    """The id that an event has from its first row on."""
    cause = f"{meter_id} {register_id} {kind} {start_utc.isoformat()}"
    return OpenFinding(site_id=site_id, source=SOURCE, cause=cause, severity=4, what="").finding_id
