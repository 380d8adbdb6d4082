"""`meterloom sniff`: format and content of meter files, nothing stored; with --write the site's map of them."""

import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from assets.readings.bulk.table_blocks import look_at
from assets.readings.drafts.map_draft import FileFacts, MapDraft, glob_of
from assets.readings.drafts.write_map import write_maps
from assets.readings.parsed import Channel, one_line
from assets.readings.sniff_files import SniffReport
from assets.sites.load_sites import load_site, site_file
from data_quality.contracts.errors import BadInput
from data_quality.contracts.site_file.site import ColumnMap, Site
from data_quality.contracts.units import unit_of
from data_quality.contracts.yaml_file import load_yaml
from orchestration.operations.answer import BAD_INPUT, DONE, Answer, finding_lines
from orchestration.operations.operation import PROJECT, Argument, Call, Option, Written, operation
from orchestration.operations.options import MapOption, column_map
from orchestration.operations.signing import edit_record

TzOption = Annotated[str | None, Option("Zone of times without offset, as Europe/Berlin.")]
# A confidence from which the words say so.
_WORDS = ((0.9, "sure"), (0.75, "fairly sure"), (0.45, "not sure"), (0.0, "open"))
SHOWN_FACTS = 5


@dataclass(frozen=True, kw_only=True)
class StatedFileFacts:
    """Facts about files that only a person knows."""

    tz: TzOption = None
    unit: Annotated[str | None, Option("Unit of values whose column names none, as kwh.")] = None
    meter: Annotated[str | None, Option("Meter of the site, where no name says whose values they are.")] = None

    def facts(self, site: Site | None) -> FileFacts:
        """The same, checked. Raises BadInput."""
        if self.unit is not None:
            unit_of(self.unit)
        if site is not None and self.meter is not None and self.meter not in site.stream_ids():
            known = ", ".join(site.stream_ids())
            raise BadInput(f"--meter: {self.meter!r} is not of this site, which has {known}", reason="unknown_meter")
        return FileFacts(tz=self.tz, unit=self.unit, meter=self.meter)


@operation("sniff", repeats=True, takes=PROJECT, example="meters.csv --site factory --write")
def sniff(
    call: Call,
    about: StatedFileFacts,
    files: Annotated[list[Path], Argument("Meter files.", metavar="FILE...")],
    mapping: MapOption = None,
    site: Annotated[str | None, Option("Read as this site of the project does.")] = None,
    of_file: Annotated[Path | None, Option("The same, with the site of this file.", "--site-file")] = None,
    is_written: Annotated[bool, Written("Put the proposed map (or --map) into the site file.", "--write")] = False,
) -> Answer:
    """Say what meter files hold, which rows would be refused, and how a foreign table is best read."""
    place = site_file(call.places.sites_dir, site) if site else of_file
    if is_written and place is None:
        raise BadInput("--write needs a site file to write to: give --site or --site-file", reason="no_site")
    known, of_site = column_map(mapping), load_site(place) if place else None
    answers = about.facts(of_site)
    # What is to be written must read the file without a word of the command's: so will ingest.
    tz = None if is_written else about.tz
    # One instant for all files: "in the future" must mean the same in each.
    now_utc = call.clock.now_utc()

    def look(each: ColumnMap | None) -> list[SniffReport]:
        now_site = load_site(place) if place else None
        return [look_at(path, mapping=each, site=now_site, tz=tz, now_utc=now_utc, facts=answers) for path in files]

    reports, more = look(known), dict[str, object]()
    if is_written and place is not None:
        record = edit_record(call, site) if site else None
        written = write_maps(place, _drafts(reports, mapping), now_utc=now_utc, record=record)
        # Read again, as ingest will; what was proposed is still told.
        fields = ("proposal", "proposal_yaml", "confidence", "confidence_why")
        reports = [
            after.model_copy(update={name: getattr(before, name) for name in fields})
            for before, after in zip(reports, look(None), strict=True)
        ]
        more = {"site_file": place, "written": written}
    # The sentence of each file that is refused whole, on standard error and nowhere else.
    for report in reports:
        if report.verdict == "reject":
            call.say(report.message)
    return reports_answer(reports, _closing(call, reports, place, more.get("written")), **more)


def _drafts(reports: list[SniffReport], mapping: Path | None) -> list[tuple[Path, MapDraft]]:
    """Column maps to write, with their files. Raises BadInput for one that is refused and no map can mend."""
    drafts = []
    for report in reports:
        path = Path(report.path)
        if mapping is not None:
            keys = {name: value for name, value in dict(load_yaml(mapping)).items() if value is not None}
            drafts.append((path, MapDraft(keys={"match": glob_of(path.name)} | keys)))
        elif report.draft is not None:
            drafts.append((path, report.draft))
        elif report.verdict == "reject":
            raise BadInput(report.message, reason="no_map")
    return drafts


def _closing(call: Call, reports: list[SniffReport], place: Path | None, written: object) -> str:
    """Closing line: the number of maps written, or how to write them; empty without a map."""
    if written is not None:
        return f"{written} column maps written to {place}" if written else f"{place} reads this already"
    if place is not None and any(report.draft is not None and report.draft.is_complete for report in reports):
        return "accept what is proposed by the same command with --write"
    return ""


def hint(call: Call, paths: Sequence[Path], site_id: str) -> str:
    """The command that proposes a map for these files."""
    return shlex.join(["meterloom", "sniff", *map(str, paths), "--site", site_id]) + call.option


def reports_answer(reports: Sequence[SniffReport], last_line: str = "", **more: object) -> Answer:
    """Answer with the report of each file; exit code 2 where one is rejected whole."""
    return Answer(
        {"files": [report.model_dump(mode="json") for report in reports], **more},
        text="\n".join([*map(report_lines, reports), *filter(None, [last_line])]),
        exit_code=BAD_INPUT if any(report.verdict == "reject" for report in reports) else DONE,
    )


def report_lines(report: SniffReport) -> str:
    """Report of one file, for people; why it is refused whole is said elsewhere."""
    lines = [f"{report.path}: {report.verdict}, {report.format or 'unknown format'}, {report.accepted_rows} rows"]
    if report.rejected_rows:
        reasons = ", ".join(f"{reason} {count}" for reason, count in report.reasons.items())
        lines.append(f"  {report.rejected_rows} rows refused: {reasons}")
    lines += [f"  note: {name} {count}" for name, count in report.warnings.items()]
    lines += [one_line(line, 300) for line in finding_lines(report.findings)]
    if report.reading:
        lines.append("  read as: " + "; ".join(f"{name} {text}" for name, text in report.reading.items()))
    for channel in report.channels:
        # Names come from the file: nothing in them may steer a terminal.
        lines.append(f"  {one_line(f'{channel.meter}.{channel.channel}', 200)}: {_content(channel)}")
    return "\n".join([*lines, *(proposal_lines(report.draft) if report.draft is not None else [])])


def proposal_lines(draft: MapDraft) -> list[str]:
    """A drafted column map for people: the map, how sure it is and why, what is open."""
    word = next(word for least, word in _WORDS if draft.confidence >= least)
    title = (
        f"  a column map for this table ({word}, {draft.confidence:.2f}), to keep in the site file or give with --map:"
    )
    lines = [title, *(f"    {line}" for line in draft.yaml().splitlines())]
    unsure = sorted((fact for fact in draft.facts if fact.sure < 1), key=lambda fact: fact.sure)
    lines += [f"  {fact.sure:.2f}  {one_line(fact.text, 200)}" for fact in unsure[:SHOWN_FACTS]]
    return lines + [f"  open: {one_line(question.sentence, 300)}" for question in draft.questions]


def _content(channel: Channel) -> str:
    if channel.reading is not None:
        when = f" at {channel.end_utc:%Y-%m-%d %H:%M}Z" if channel.end_utc else ""
        return f"reads {channel.reading:,} {channel.unit}{when}"
    total = f"{channel.sum:,.3f} {channel.unit}".rstrip() if channel.sum is not None else "-"
    span = f", {channel.start_utc:%Y-%m-%d %H:%M}Z to {channel.end_utc:%Y-%m-%d %H:%M}Z" if channel.start_utc else ""
    return f"{channel.intervals} intervals{span}, sum {total}"
