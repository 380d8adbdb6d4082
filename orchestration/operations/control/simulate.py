"""`meterloom simulate`: policies on the simulated house of a site, or on the own readings of any other site."""

from datetime import date, timedelta
from math import inf
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from data_quality.contracts.errors import BadInput
from data_quality.contracts.time import local_day, local_midnight_utc, parse_day
from orchestration.operations.answer import CHECK_FAILED, Answer, Table, finding_lines
from orchestration.operations.operation import PROJECT, Argument, Call, Option, Written, operation
from orchestration.operations.options import SiteOption, write_file

if TYPE_CHECKING:
    from controls.planning.trial import Trial
    from data_quality.contracts.site_file.site import Site
    from orchestration.closed_loops.simulate import Simulated

# Of a trial on own readings: each day is planned twice.
MOST_DAYS = timedelta(days=400)


@operation(
    "simulate",
    repeats=True,
    takes=PROJECT,
    example="--site home --from 2024-01-01 --to 2024-02-01 --policy no_control deterministic",
)
def simulate(
    call: Call,
    site: SiteOption,
    from_: Annotated[
        str | None, Option("The first local day; the last whole month if left out.", metavar="DAY")
    ] = None,
    to: Annotated[str | None, Option("The local day after the last.", metavar="DAY")] = None,
    more: Annotated[list[str] | None, Argument("Further policies.", metavar="[NAME]...")] = None,
    policy: Annotated[list[str] | None, Option("A policy; all if left out.")] = None,
    seed: Annotated[int, Option("Of the house and all that happens in it.", min=0)] = 1,
    seeds: Annotated[int, Option("So many houses, from the seed on.", min=1, max=100)] = 1,
    fit_rooms: Annotated[
        bool, Option("Rooms by their own readings, or by the site file.", "--fit-rooms/--stated-rooms")
    ] = True,
    picture: Annotated[Path | None, Written("Draw the cost day by day (PNG).", metavar="FILE")] = None,
) -> Answer:
    """Simulated cost of policies: on the site's own load, sun and prices, its devices simulated; no hardware needed.

    A site that is simulated itself (is_simulated) is lived anew, rooms and weather with it, on houses by --seed: two
    weeks before the first day without control are all that a policy learns.
    """
    from orchestration.closed_loops.simulate import cost_picture, known_policies, simulated
    from orchestration.workers.fan_out import port

    named = known_policies([*(policy or []), *(more or [])])
    known = call.project.site(site)
    if not known.is_simulated:
        return _trial(call, known, from_, to, [*(policy or []), *(more or [])], picture)
    if from_ is None or to is None:
        raise BadInput("a simulated site has no last month: expected --from and --to", reason="bad_arguments")
    start, end = (
        local_midnight_utc(parse_day(text, option), known.time_zone)
        for text, option in ((from_, "--from"), (to, "--to"))
    )
    found = simulated(
        known,
        named,
        start_utc=start,
        end_utc=end,
        seeds=range(seed, seed + seeds),
        fits_rooms=fit_rooms,
        fan_out=port(call.project.project.settings.work, call.doing),
    )
    if picture is not None:
        write_file(picture, cost_picture(found))
    text = "\n".join([_outcome_text(found), *finding_lines(found.findings, indent="")])
    return Answer(found, _table(found), text)


def _trial(
    call: Call, site: "Site", from_: str | None, to: str | None, named: list[str], picture: Path | None
) -> Answer:
    from controls.planning.trial import POLICIES, run_trial
    from data_quality.contracts.finding import Finding
    from orchestration.closed_loops.simulate import trial_picture

    if unknown := [name for name in named if name not in POLICIES]:
        message = f"--policy: {unknown[0]} needs a simulated house; on own readings expected {', '.join(POLICIES)}"
        raise BadInput(message, reason="unknown_policy")
    if (from_ is None) != (to is None):
        raise BadInput("expected --from and --to, or neither", reason="bad_arguments")
    start, end = _last_month(call, site) if from_ is None or to is None else (
        parse_day(from_, "--from"), parse_day(to, "--to")
    )  # fmt: skip
    if not timedelta(0) < end - start <= MOST_DAYS:
        raise BadInput(f"--to must be 1 to {MOST_DAYS.days} days after --from", reason="bad_period")
    policies = [name for name in POLICIES if name in named or not named]
    found = run_trial(site, call.project.lake, start=start, end=end, policies=policies, progress=call.doing)
    if isinstance(found, Finding):
        result = {"policies": [], "assumptions": [], "findings": [found], "is_synthetic": True}
        return Answer(result, text=found.message, exit_code=CHECK_FAILED)
    if picture is not None:
        write_file(picture, trial_picture(found))
    lines = [f"synthetic: the devices of {site.name} on its own load, sun and prices, {start} to {end}"]
    lines += [f"  assumed: {each}" for each in found.assumptions]
    lines += finding_lines(found.findings, indent="  ")
    cost = {each.name: each.cost for each in found.policies}
    if cost.get("self_consumption", inf) < cost.get("deterministic", -inf):
        lines.append("  the plain rule (self_consumption) cost less than plans by last week's means (deterministic)")
    return Answer(found, _trial_table(found), "\n".join(lines))


def _last_month(call: Call, site: "Site") -> tuple[date, date]:
    """The last calendar month that the site's readings fill. Raises BadInput where none does."""
    span = call.project.lake.span(site.site_id)
    # A day that is not over is not whole, nor is its month.
    today = local_day(call.clock.now_utc(), site.time_zone)
    after = min(span[1] + timedelta(days=1), today).replace(day=1) if span else None
    before = after and (after - timedelta(days=1)).replace(day=1)
    if span is None or after is None or before is None or span[0] > before:
        known = f"readings reach from {span[0]} to {span[1]}" if span else "there is no reading yet"
        mend = f"meterloom simulate --site {site.site_id} --from DAY --to DAY takes any days"
        raise BadInput(f"no whole calendar month was read: {known}", reason="no_month", mend=mend)
    return before, after


def _trial_table(found: "Trial") -> Table:
    return Table(
        "policies",
        f"policy: {{name}} | bill, {found.currency}: {{cost:z,.2f}} | saved, {found.currency}: {{saved:z,.2f}} | "
        "saved: {saved_share:.1%} | import kWh: {import_kwh:,.0f} | export kWh: {export_kwh:,.0f} | "
        "own sun used: {self_consumption:.0%} | cycles: {cycles:.1f}",
    )


def _table(found: "Simulated") -> Table:
    return Table(
        "policies",
        f"policy: {{name}} | cost, {found.currency}: {{cost:z,.2f}} | saved: {{saved_share:.1%}} | "
        "kgCO2e: {kgco2e:,.1f} | K h outside: {discomfort_degree_hours:,.1f} | hours outside: {breach_share:.2%} | "
        "cycles: {cycles:.1f} | switchings: {switchings:,.0f} | own sun used: {self_consumption:.0%}",
    )


def _outcome_text(found: "Simulated") -> str:
    headline = f"synthetic: {len(found.seeds)} simulated house{'s' if len(found.seeds) > 1 else ''} of {found.site_id}"
    lines = [f"{headline}, {found.start_utc:%Y-%m-%d %H:%M}Z to {found.end_utc:%Y-%m-%d %H:%M}Z"]
    for line in found.policies:
        if "cost" in line.interval:
            low, high = line.interval["cost"].low, line.interval["cost"].high
            lines.append(
                f"{line.name}: a mean of {low:,.2f} to {high:,.2f} with 90 % confidence (bootstrap over seeds)"
            )
    lines += [f"{run.policy}, seed {run.seed}: {run.breaches.sentence}" for run in found.runs if run.breaches]
    return "\n".join(lines)
