"""`meterloom weather`: forecasts of the weather, fetched or imported, each with the time from which on it was known."""

from pathlib import Path
from typing import Annotated, Any

from data_quality.contracts.control.weather_issue import WEATHER_LABELS
from data_quality.contracts.time import parse_instant
from orchestration.operations.answer import Answer, Table
from orchestration.operations.operation import PROJECT, READS, Argument, Call, Option, operation
from orchestration.operations.options import SiteOption

ISSUES = Table(
    "issues",
    "source | issued: {issued_at_utc} | known here: {available_at_utc} | from: {start_utc} | to: {end_utc} | "
    "minutes: {step_minutes} | remarks: {labels:|}",
    empty="no weather forecast is stored; 'meterloom weather import' or 'fetch' brings one",
)


@operation("weather import", takes=PROJECT, example="forecasts.csv --site factory")
def import_file(
    call: Call,
    paths: Annotated[list[Path], Argument("Documents of a service, or tables.", metavar="FILE...")],
    site: SiteOption,
    issued: Annotated[str | None, Option("When a document was issued (ISO 8601), where it does not say.")] = None,
    synthetic: Annotated[bool, Option("Synthetic: what rests on it is flagged.")] = False,
) -> Answer:
    """Keep weather forecasts from files: Open-Meteo's or Bright Sky's JSON, or CSV and Parquet with many issues."""
    from assets.feeds.weather_file import read_weather_file

    known, moment = call.project.site(site), parse_instant(issued) if issued else None
    # All are read before the first is stored: a wrong file is refused while nothing of the others is in.
    found = [each for path in paths for each in read_weather_file(path, issued_at_utc=moment, is_synthetic=synthetic)]
    new = call.project.weather.add(known.site_id, found, call.clock)
    return Answer({"site": known.site_id, "found": len(found), "new": new}, text=counted(len(found), new))


@operation("weather fetch", takes=PROJECT, example="--site factory")
def fetch_feed(call: Call, site: SiteOption) -> Answer:
    """Ask the weather feed that the site file names, now, and keep what is new."""
    from assets.feeds.fetch_weather import fetch_weather

    project = call.project
    call.doing(f"asking the weather feed of {site}")
    taken = fetch_weather(project.site(site), store=project.weather, clock=call.clock, root=project.project.root)
    heads = [
        {**each.model_dump(exclude={"values"}), "end_utc": each.end_utc, "names": list(each.values)}
        for each in taken.issues
    ]
    result = {"site": taken.site_id, "found": taken.found, "new": taken.new, "issues": heads}
    return Answer(result, ISSUES, text=counted(taken.found, taken.new))


@operation("weather list", takes=READS, example="--site factory")
def list_issues(
    call: Call,
    site: SiteOption,
    last: Annotated[int, Option("How many, the newest first.", min=1)] = 20,
) -> Answer:
    """Show the stored weather forecasts of a site: source, issue, since when known, which hours."""
    known = call.project.site(site)
    heads = call.project.weather.heads(known.site_id, as_of_utc=call.as_of_utc)
    newest: list[dict[str, Any]] = heads[::-1][:last]
    meant = sorted({label for each in newest for label in each["labels"]})
    text = "\n".join(f"{label}: {WEATHER_LABELS.get(label, '')}" for label in meant)
    return Answer({"site": known.site_id, "stored": len(heads), "issues": newest}, ISSUES, text=text)


def counted(found: int, new: int) -> str:
    """The closing line."""
    return f"{found} issue{'' if found == 1 else 's'} of weather read, {new} new"
