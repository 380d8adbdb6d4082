"""`meterloom ingest`: meter files into the lake."""

from pathlib import Path
from typing import Annotated

from assets.readings.drafts.map_draft import PROPOSED_FOR
from assets.readings.ingest.ingest_file import AcceptedScale, ingest_file
from assets.readings.sniff_files import REGULAR_FROM_BYTES
from data_quality.contracts.time import zone
from orchestration.operations.answer import Answer
from orchestration.operations.operation import ACTS, Argument, Call, Option, operation
from orchestration.operations.options import DryOption, MapOption, column_map
from orchestration.operations.readings.sniff import TzOption, hint, reports_answer

AcceptOption = Annotated[
    bool,
    Option("--accept-scale", help="Take what is held for its size alone; the batch keeps who said so (--as)."),
]


def accepted_scale(call: Call, *, is_accepted: bool) -> AcceptedScale | None:
    """The word of the person named by --as, where it is given. Raises BadInput for a person that nobody knows."""
    if not is_accepted:
        return None
    return AcceptedScale(person_id=call.known_person().person_id if call.person else "")


@operation("ingest", takes=ACTS, example="meters.csv --site factory --dry-run")
def ingest(
    call: Call,
    paths: Annotated[list[Path], Argument(metavar="PATH...", help="Meter files.")],
    site: Annotated[str, Option("--site", help="Site whose meters they hold.")],
    dry_run: DryOption = False,
    mapping: MapOption = None,
    tz: TzOption = None,
    accept_scale: AcceptOption = False,
    refresh: Annotated[
        bool, Option("--refresh", help="Then rebuild the marts, baselines and reports that they affect.")
    ] = False,
) -> Answer:
    """Read meter files into the lake; what cannot be read is kept in quarantine, everything else goes in."""
    # Before the first file: a wrong map is refused while nothing is in the lake yet.
    known_site, known = call.project.site(site), column_map(mapping)
    if tz is not None:
        zone(tz)
    lake, quarantine = call.project.lake, call.project.quarantine
    accepted = accepted_scale(call, is_accepted=accept_scale)
    reports = []
    for place, path in enumerate(paths):
        is_brief = not path.is_file() or path.stat().st_size < REGULAR_FROM_BYTES
        call.doing(f"reading {path.name}", done=place, of=len(paths), is_brief=is_brief)
        report = ingest_file(
            path,
            site=known_site,
            lake=lake,
            quarantine=quarantine,
            clock=call.clock,
            mapping=known,
            tz=tz,
            dry_run=dry_run,
            accepted=accepted,
        )
        reports.append(report)
        call.say(report.message or f"{path.name}: {report.new_rows} new, {report.corrected_rows} corrected")
        for each in report.restored:
            call.say(f"{path.name}: the lake's file {each} is as it was again")
    ran: dict[str, list[str]] = {}
    if refresh and not dry_run:
        from orchestration.instance.write import enter

        enter(call.project.project)
        from orchestration.runner import refresh as make_again

        ran = make_again(call.project, say=call.say)
    changed = sum(report.new_rows + report.corrected_rows for report in reports)
    last_line = f"{changed} quarter hours {'would change' if dry_run else 'changed'}"
    refused = [report for report in reports if report.verdict == "reject"]
    foreign = [Path(report.path) for report in refused if PROPOSED_FOR & {*report.reasons}]
    if foreign and known is None:
        call.say(f"a column map says how such a table is read; this proposes one: {hint(call, foreign, site)}")
    last_line += "" if dry_run else f"\n{call.then(known_site.site_id)}"
    return reports_answer([*reports], last_line, runs=ran)
