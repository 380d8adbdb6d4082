"""`meterloom pull`: what InfluxDB and markets of prices hold for a site, as files of its landing folder."""

from typing import Annotated

from data_quality.contracts.errors import BadInput
from orchestration.operations.answer import Answer, Table
from orchestration.operations.operation import PROJECT, Call, Option, operation
from orchestration.operations.options import SiteOption

PULLED = Table("sources", "source: {source_id} | landed up to: {until_utc} | files: {file_count} | findings: {told:|}")


@operation("pull", takes=PROJECT, example="--site factory", writes=True)
def pull(
    call: Call,
    site: SiteOption,
    source: Annotated[str | None, Option("One source of the site file; else all.")] = None,
) -> Answer:
    """Ask the pulled sources of a site for what is not known yet, and land it as files; 'ingest' reads them.

    A pull that was ended goes on where it was.
    """
    from assets.feeds.take_sources import pulled_sources, take_source

    project = call.project
    known, found = project.site(site), []
    wanted = pulled_sources(known, source)
    if not wanted:
        raise BadInput(
            f"site {known.site_id} has no source that is pulled",
            reason="no_source",
            mend="add one of kind influxdb2 or prices to `sources` of its site file (docs/ems/pulling.md)",
        )
    for each in wanted:
        call.doing(f"asking {each.source_id}")
        taken = take_source(project.project, known, each, now_utc=call.clock.now_utc(), progress=call.doing)
        messages = [finding.message for finding in getattr(taken, "findings", ())]
        found.append({**taken.model_dump(mode="json"), "file_count": len(taken.files), "told": messages})
    return Answer({"site": known.site_id, "sources": found}, PULLED, text=call.then(known.site_id))
