"""The tested sensitivity of a sheddable load that a person accepted, and the loads of a site with what was accepted."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from data_quality.contracts.model import Model
from data_quality.contracts.site_file.sheddable_load import Evidence, SheddableLoad


class AcceptedLoad(Model):
    """A test of [start_utc, end_utc) that replaces the site file's value. replaces: the file's value then.

    max_shed_kw: mean power shed in the test; evidence: `tested`, with its day and its 90 % interval.
    """

    site_id: str
    load_id: str
    max_shed_kw: float
    evidence: Evidence
    start_utc: datetime
    end_utc: datetime
    replaces: dict[str, Any]
    person_id: str
    reason: str
    recorded_at_utc: datetime | None = None

    @property
    def interval_kw(self) -> tuple[float, float]:
        """90 % interval of the power."""
        half_kw = self.max_shed_kw * self.evidence.half_width_share
        return self.max_shed_kw - half_kw, self.max_shed_kw + half_kw


def stated_sensitivity(load: SheddableLoad) -> dict[str, Any]:
    """Sensitivity of a load by its site file."""
    return load.model_dump(mode="json", include={"max_shed_kw", "evidence"})


def in_force(loads: Sequence[SheddableLoad], accepted: Sequence[AcceptedLoad]) -> dict[str, AcceptedLoad]:
    """The newest accepted test of each load by its id. Where the site file was changed since, the file holds."""
    newest = {each.load_id: each for each in accepted}
    stated = {load.load_id: stated_sensitivity(load) for load in loads}
    return {name: each for name, each in newest.items() if stated.get(name) == each.replaces}


def with_accepted(loads: Sequence[SheddableLoad], accepted: Sequence[AcceptedLoad]) -> tuple[SheddableLoad, ...]:
    """The loads of a site file, each as its accepted test has it."""
    known = in_force(loads, accepted)
    return tuple(
        load.model_copy(update={"max_shed_kw": found.max_shed_kw, "evidence": found.evidence})
        if (found := known.get(load.load_id)) is not None
        else load
        for load in loads
    )
