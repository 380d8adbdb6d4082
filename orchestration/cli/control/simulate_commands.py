"""`meterloom simulate`: closed loops of plans and rules on the simulated house of a site."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from data_quality.contracts.errors import BadInput
from data_quality.contracts.time import local_midnight_utc, parse_day
from orchestration.cli.answer import Answer, Table, finding_lines
from orchestration.cli.frame import PROJECT, Call, command
from orchestration.cli.options import SiteOption, write_file

if TYPE_CHECKING:
    from orchestration.closed_loops.simulate import Simulated


@command(
    "simulate", takes=PROJECT, example="--site home --from 2024-01-01 --to 2024-02-01 --policy no_control deterministic"
)
def simulate(
    call: Call,
    site: SiteOption,
    from_: Annotated[str, typer.Option("--from", metavar="DAY", help="The first local day.")],
    to: Annotated[str, typer.Option("--to", metavar="DAY", help="The local day after the last.")],
    more: Annotated[list[str] | None, typer.Argument(metavar="[NAME]...", help="Further policies.")] = None,
    policy: Annotated[list[str] | None, typer.Option("--policy", help="A policy; all if left out.")] = None,
    seed: Annotated[int, typer.Option("--seed", min=0, help="Of the house and all that happens in it.")] = 1,
    seeds: Annotated[int, typer.Option("--seeds", min=1, max=100, help="So many houses, from the seed on.")] = 1,
    fit_rooms: Annotated[
        bool, typer.Option("--fit-rooms/--stated-rooms", help="Rooms by their own readings, or by the site file.")
    ] = True,
    picture: Annotated[
        Path | None, typer.Option("--picture", metavar="FILE", help="Draw the cost day by day (PNG).")
    ] = None,
) -> Answer:
    """Let policies run a simulated house that none of them can look into, and tell what each came to.

    Two weeks before the first day are lived without control: what the house does in them is all that a policy learns.
    """
    from orchestration.closed_loops.loop_picture import cost_picture
    from orchestration.closed_loops.simulate import known_policies, simulated
    from orchestration.workers.fan_out import port

    named = known_policies([*(policy or []), *(more or [])])
    known = call.project.site(site)
    if not known.is_simulated:
        message = f"site {site} is not simulated (is_simulated in its site file): its own house cannot be lived again"
        raise BadInput(message, reason="not_simulated")
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
    text = "\n".join([_told(found), *finding_lines(found.findings, indent="")])
    return Answer(found, _table(found), text)


def _table(found: "Simulated") -> Table:
    return Table(
        "policies",
        {
            "policy": "{name}",
            f"cost, {found.currency}": "{cost:z,.2f}",
            "saved": "{saved_share:.1%}",
            "kgCO2e": "{kgco2e:,.1f}",
            "K h outside": "{discomfort_degree_hours:,.1f}",
            "hours outside": "{breach_share:.2%}",
            "cycles": "{cycles:.1f}",
            "switchings": "{switchings:,.0f}",
            "own sun used": "{self_consumption:.0%}",
        },
    )


def _told(found: "Simulated") -> str:
    said = f"synthetic: {len(found.seeds)} simulated house{'s' if len(found.seeds) > 1 else ''} of {found.site_id}"
    lines = [f"{said}, {found.start_utc:%Y-%m-%d %H:%M}Z to {found.end_utc:%Y-%m-%d %H:%M}Z"]
    for line in found.policies:
        if "cost" in line.interval:
            low, high = line.interval["cost"].low, line.interval["cost"].high
            lines.append(
                f"{line.name}: a mean of {low:,.2f} to {high:,.2f} with 90 % confidence (bootstrap over seeds)"
            )
    lines += [f"{run.policy}, seed {run.seed}: {run.breaches.sentence}" for run in found.runs if run.breaches]
    return "\n".join(lines)
