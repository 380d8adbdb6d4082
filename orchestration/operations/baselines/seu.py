"""`meterloom seu list`: energy sources and significant energy uses of the site files."""

from typing import Annotated

from assets.kpi.enpi.use_register import seu_lines, sources_of
from data_quality.contracts.site_file.meter import Carrier
from orchestration.operations.answer import Answer, Table
from orchestration.operations.operation import Call, Option, operation

SEUS = Table("seus", "site | seu: {id} | source | meters | baseline: {baseline:|-} | last report: {last_report:|-}")


@operation("seu list", example="--source electricity --json")
def seu_list(
    call: Call,
    source: Annotated[Carrier | None, Option("Only this energy source.")] = None,
    active: Annotated[bool, Option("Only active ones.")] = False,
) -> Answer:
    """List the SEUs of every site with their baseline and last report."""
    sites = call.project.sites
    found = seu_lines(
        sites,
        baselines=call.project.baselines,
        reports=call.project.reports,
        source=source,
        is_active=active or None,
        as_of_utc=call.as_of_utc,
    )
    return Answer({"seus": found, "sources": sources_of(sites.values())}, SEUS)
