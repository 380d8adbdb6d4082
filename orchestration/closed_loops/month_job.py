"""A month of closed loops as a Dagster job: site, month, policies and seeds by its config, the table as metadata."""

import dagster as dg

from data_quality.contracts.time import parse_period
from orchestration.closed_loops.loop_picture import cost_picture
from orchestration.closed_loops.simulate import known_policies, simulated
from orchestration.previews import embedded, table
from orchestration.resources import ProjectResource


class MonthLoops(dg.Config):
    """What to run: a month such as 2024-01, and so many houses from the seed on."""

    site: str = "home"
    month: str = "2024-01"
    policies: list[str] = []
    seed: int = 1
    seeds: int = 1


@dg.op
def month_of_closed_loops(context: dg.OpExecutionContext, config: MonthLoops, project: ProjectResource) -> None:
    """Every policy on every house; what they came to is the step's metadata, and nothing is stored."""
    site = project.site(config.site)
    month = parse_period(config.month, site.time_zone)
    found = simulated(
        site,
        known_policies(config.policies),
        start_utc=month.start_utc,
        end_utc=month.end_utc,
        seeds=range(config.seed, config.seed + config.seeds),
        fan_out=project.work(context.log.info),
    )
    names = ("name", "cost", "saved_share", "kgco2e", "discomfort_degree_hours", "cycles", "switchings")
    rows = [[getattr(line, name) for name in names] for line in found.policies]
    context.add_output_metadata(
        {
            "policies": table(names, rows),
            "picture": embedded(cost_picture(found), title="cost so far"),
            "currency": found.currency,
            "is_synthetic": True,
        }
    )


@dg.job(
    description=(
        "Lets the policies of plans run a month of a simulated site, side by side. Run it by hand: site, month, "
        "policies and seeds are its config. Nothing is stored, and everything in it is synthetic."
    ),
    executor_def=dg.in_process_executor,
)
def closed_loop_month() -> None:
    """See the op."""
    month_of_closed_loops()
