"""`meterloom ingest|pull`: meter files into the lake; InfluxDB and markets of prices as files of the landing folder."""

from pathlib import Path
from typing import Annotated, Any

from assets.readings.drafts.map_draft import PROPOSED_FOR
from assets.readings.ingest.ingest_file import AcceptedScale, ingest_file
from assets.readings.ingest.retry import ingest_quarantined
from assets.readings.sniff_files import REGULAR_FROM_BYTES
from assets.stores.foreign_database import source_sha256
from data_quality.contracts.errors import BadInput
from data_quality.contracts.time import zone
from orchestration.operations.answer import Answer, Table
from orchestration.operations.operation import ACTS, PROJECT, Argument, Call, Option, operation
from orchestration.operations.options import DryOption, MapOption, SiteOption, column_map
from orchestration.operations.readings.sniff import TzOption, hint, reports_answer

AcceptOption = Annotated[bool, Option("Take what is held for its size alone; the batch keeps who said so (--as).")]


def accepted_scale(call: Call, *, is_accepted: bool) -> AcceptedScale | None:
    """The word of the person named by --as, where it is given. Raises BadInput for a person that nobody knows."""
    if not is_accepted:
        return None
    return AcceptedScale(person_id=call.known_person().person_id if call.person else "")


@operation("ingest", takes=ACTS, example="meters.csv --site factory --dry-run")
def ingest(
    call: Call,
    paths: Annotated[list[Path], Argument("Meter files.", metavar="PATH...")],
    site: Annotated[str, Option("Site whose meters they hold.")],
    dry_run: DryOption = False,
    mapping: MapOption = None,
    tz: TzOption = None,
    accept_scale: AcceptOption = False,
    refresh: Annotated[bool, Option("Then rebuild the marts, baselines and reports that they affect.")] = False,
) -> Answer:
    """Read meter files into the lake; what cannot be read is kept in quarantine, everything else goes in."""
    # Before the first file: a wrong map is refused while nothing is in the lake yet.
    known_site, known = call.project.site(site), column_map(mapping)
    if tz is not None:
        zone(tz)
    lake, quarantine = call.project.lake, call.project.quarantine
    accepted = accepted_scale(call, is_accepted=accept_scale)
    given: dict[str, Any] = {
        "site": known_site, "lake": lake, "quarantine": quarantine, "clock": call.clock, "mapping": known, "tz": tz,
        "accepted": accepted,
    }  # fmt: skip
    reports, waits = [], not dry_run and bool(quarantine.counts(site, is_open=True))
    for place, path in enumerate(paths):
        is_brief = not path.is_file() or path.stat().st_size < REGULAR_FROM_BYTES
        call.doing(f"reading {path.name}", done=place, of=len(paths), is_brief=is_brief)
        sha256 = source_sha256(path) if waits and path.is_file() else ""
        if sha256 and quarantine.items(site, is_open=True, source_sha256=sha256):
            # By a map or a zone the file may no longer be refused: then what waits in quarantine is resolved.
            report = ingest_quarantined(path, sha256, **given).file
        else:
            report = ingest_file(path, dry_run=dry_run, **given)
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
    from assets.feeds.fetch_sources import fetch_source, pulled_sources

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
        taken = fetch_source(project.project, known, each, now_utc=call.clock.now_utc(), progress=call.doing)
        messages = [finding.message for finding in getattr(taken, "findings", ())]
        found.append({**taken.model_dump(mode="json"), "file_count": len(taken.files), "told": messages})
    return Answer({"site": known.site_id, "sources": found}, PULLED, text=call.then(known.site_id))
