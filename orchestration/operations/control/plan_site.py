"""The plan of a site for a person: spells of its devices, what it costs against nothing planned and against habit."""

from collections.abc import Iterable
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from data_quality.contracts.time import parse_day, zone
from orchestration.operations.answer import CHECK_FAILED, Answer, Table
from orchestration.operations.operation import Call
from orchestration.operations.options import write_file

if TYPE_CHECKING:
    from controls.planning.day_plan import DayPlan
    from controls.planning.summary import Block
    from data_quality.contracts.control.plan import Plan
    from data_quality.contracts.finding import Finding
    from data_quality.contracts.site_file.site import Site

_BLOCKS = "from: {start:%a %H:%M} | to: {end:%a %H:%M} | device | mean kW: {kw:.2f} | kWh: {kwh:.2f} | does: {sentence}"
_IDLE = "no device has anything to do"
BY_HAND = "it was asked for by hand"


def plan_site(call: Call, site: "Site", day: str | None, picture: Path | None) -> Answer:
    """The answer to `meterloom plan --site`; a finding where there is no plan."""
    from controls.planning.day_plan import day_plan
    from controls.planning.mends import with_mend
    from data_quality.contracts.finding import Finding
    from orchestration.views.planning_desk import keep_by_hand

    project = call.project
    today = call.clock.now_utc().astimezone(zone(site.time_zone)).date()
    named = {None: None, "today": today, "tomorrow": today + timedelta(days=1)}
    wanted = named[day] if day in named else parse_day(str(day), "--for")
    call.doing(f"planning {site.site_id}")
    found = day_plan(project.desk(site, call.clock), wanted, because=BY_HAND)
    # A day that is planned though commands have no plan does not mend that.
    refused = found if isinstance(found, Finding) else next((one for one in found.findings if one.is_blocking), None)
    keep_by_hand(project.store, site, refused, call.clock)
    if isinstance(found, Finding):
        return _refused(with_mend(found, site, call.option))
    if picture is not None:
        from controls.planning.plan_picture import picture_of_plan
        from orchestration.previews_plan import plan_picture

        drawn = plan_picture(picture_of_plan(found.plan), title=f"Plan of {site.name}", time_zone=site.time_zone)
        write_file(picture, drawn)
        call.say(f"the plan is drawn in {picture}")
    return _plan_answer(found, site)


def block_table(blocks: "Iterable[Block]", site: "Site") -> Table:
    """Spells of a site's devices by its clock, as rows for people."""
    here = zone(site.time_zone)
    rows = [
        {**vars(each), "start": each.start_utc.astimezone(here), "end": each.end_utc.astimezone(here)}
        for each in blocks
    ]
    return Table(rows, _BLOCKS, empty=_IDLE)


def start_lines(plan: "Plan") -> list[str]:
    """Worth of the plan before as a warm start, in words; none in plans of earlier versions."""
    from controls.planning.plan_start import start_sentence

    return [] if plan.start is None else [f"  {start_sentence(plan.start)}"]


def band_lines(plan: "Plan") -> list[str]:
    """Between which costs it lies over its scenarios, or why nobody knows."""
    band = plan.cost_band
    if band is not None:
        cases = f"in {band.coverage:.0%} of all cases (P10 to P90 of {band.scenarios} scenarios)"
        return [f"  between {band.low:.2f} and {band.high:.2f} {plan.currency} {cases}"]
    if plan.risk is not None:
        return ["  no band of its cost: its scenarios are weighed by more than money"]
    return ["  no band of its cost: it is planned for the mean alone ('risk:' of the site file plans over scenarios)"]


def _refused(finding: "Finding") -> Answer:
    unknown = ("cost", "cost_band", "without_control", "habit_cost", "currency", "start")
    result: dict[str, Any] = {"blocks": [], **dict.fromkeys(unknown)}
    text = f"no plan: {finding.message}\n  {finding.facts['mend']}"
    return Answer(result | {"assumptions": [], "findings": [finding]}, text=text, exit_code=CHECK_FAILED)


def _plan_answer(found: "DayPlan", site: "Site") -> Answer:
    plan, here = found.plan, zone(site.time_zone)
    result = {
        "blocks": found.blocks,
        "cost": plan.paid,
        "cost_band": plan.cost_band,
        "without_control": plan.no_battery_cost,
        "habit_cost": found.habit_cost,
        "currency": plan.currency,
        "start": plan.start,
        "assumptions": found.assumptions,
        "findings": found.findings,
    }
    start, end = (at.astimezone(here) for at in (plan.steps[0].start_utc, plan.steps[-1].end_utc))
    habit = "not known" if found.habit_cost is None else f"{found.habit_cost:.2f} {plan.currency}"
    lines = [
        f"{site.name}, {start:%a %Y-%m-%d %H:%M} to {end:%a %Y-%m-%d %H:%M}: {plan.paid:.2f} {plan.currency}",
        f"  with no control {plan.no_battery_cost:.2f} {plan.currency}, by today's habits {habit}",
        *band_lines(plan),
        *start_lines(plan),
        *(f"  assumed: {each}" for each in found.assumptions),
        *(f"  {'nothing is commanded: ' if each.is_blocking else ''}{each.message}" for each in found.findings),
    ]
    return Answer(result, block_table(found.blocks, site), "\n".join(lines))
