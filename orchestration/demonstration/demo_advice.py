"""Recommendations of the demo: those of factory and tower, one accepted with its work order and its M&V baseline."""

from collections.abc import Callable
from contextlib import closing
from typing import Any

from assets.sites.load_sites import load_people
from data_quality.contracts.people import Role
from data_quality.contracts.time import Clock
from orchestration.advice_asset import last_year
from orchestration.open_project import OpenProject
from orchestration.resources import ProjectResource
from orchestration.views import advice


def run_advice(project: ProjectResource, clock: Clock, say: Callable[[str], None]) -> dict[str, Any]:
    """Number of recommendations by site, and id, order and baseline of the one that Anna accepted; None of none."""
    from ml.defs import tracker_of

    anna = load_people(project.project.people_file).acting("anna", Role.APPROVER)
    found, accepted = dict[str, int](), None
    with closing(OpenProject(str(project.project.root))) as opened:
        for site_id in ("factory", "tower"):
            site = opened.site(site_id)
            made = advice.run(opened, site, last_year(site, clock), clock, sources=opened.sources(keeps=False))
            found[site_id] = len(made)
            say(f"{site.name}: {len(made)} recommendations")
            best = next((each for each in made if each.savings_kwh > 0 and each.status == "new"), None)
            if accepted is None and best is not None:
                after, _ = advice.accept(
                    opened,
                    best,
                    clock,
                    person=anna,
                    reason="Demo: it costs an hour of work",
                    tracker=tracker_of(project),
                )
                accepted = {"id": after.recommendation_id, "order": after.order_id, "baseline": after.baseline}
                say(f"accepted: {after.kind} of {after.scope}, task {after.order_id}")
    return {"recommendations": found, "accepted": accepted}
