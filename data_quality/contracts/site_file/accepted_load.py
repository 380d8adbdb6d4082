"""The tested sensitivity of a sheddable load that a person accepted, and the loads of a site with what was accepted."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from data_quality.contracts.model import Model
from data_quality.contracts.site_file.sheddable_load import Evidence, SheddableLoad


class AcceptedLoad(Model):
    """A test of [start_utc, end_utc) that stands for what the site file says. replaces: what the file said then.

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


def said_of(load: SheddableLoad) -> dict[str, Any]:
    """Sensitivity of a load by its site file."""
    return load.model_dump(mode="json", include={"max_shed_kw", "evidence"})


def with_accepted(loads: Sequence[SheddableLoad], accepted: Sequence[AcceptedLoad]) -> tuple[SheddableLoad, ...]:
    """The loads, each with its newest accepted test. Where its site file was changed since, the file holds."""
    newest = {each.load_id: each for each in accepted}
    return tuple(
        load.model_copy(update={"max_shed_kw": found.max_shed_kw, "evidence": found.evidence})
        if (found := newest.get(load.load_id)) is not None and found.replaces == said_of(load)
        else load
        for load in loads
    )
