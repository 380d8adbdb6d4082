"""`meterloom tariff`: render, validate and convert tariffs."""

import json
from pathlib import Path
from typing import Annotated, Any

from assets.tariffs.formats.tariff_file import read_tariffs
from assets.tariffs.formats.tariff_text import about_text, price_weeks, tariff_text
from data_quality.contracts.billing.shipped_tariffs import shipped_source, shipped_tariffs
from data_quality.contracts.billing.tariff import Tariff, TariffFile
from data_quality.contracts.errors import BadInput
from data_quality.contracts.yaml_file import BadConfiguration
from orchestration.operations.answer import BAD_INPUT, Answer, Table
from orchestration.operations.operation import PROJECT, STATELESS, Argument, Call, Option, Written, operation

FileArgument = Annotated[
    Path, Argument("Our language, URDB JSON or a simple table; or the name of a shipped tariff.", metavar="FILE")
]


@operation("tariff list", takes=STATELESS, example="")
def list_shipped(call: Call) -> Answer:
    """List the tariffs that are shipped: structure, country, dates, and where their prices are from."""
    rows = [_shipped(name, file) for name, file in shipped_tariffs().items()]
    columns = (
        "country | kind | valid from: {valid_from:|not stated} | valid to: {valid_to:|not stated} | prices | title"
    )
    table = Table("tariffs", f"name | {columns}")
    return Answer({"tariffs": rows}, table, "`meterloom tariff show NAME` says what each stands on")


def _shipped(name: str, file: TariffFile) -> dict[str, Any]:
    """One row. Dates that a source does not name are None: a default centuries away would look like a contract's."""
    about, tariffs = file.about, file.tariffs
    assert about is not None  # noqa: S101 - a test asks it of every file of the library
    return {
        "name": name,
        **about.model_dump(include={"title", "country", "kind", "lacks"}),
        "prices": tariffs[0].prices,
        "valid_from": tariffs[0].valid_from if "valid_from" in tariffs[0].model_fields_set else None,
        "valid_to": tariffs[-1].valid_to if "valid_to" in tariffs[-1].model_fields_set else None,
        "currency": tariffs[0].currency,
        "tariff_ids": [tariff.tariff_id for tariff in tariffs],
        "sources": [source.model_dump() for source in about.sources],
    }


@operation("tariff show", takes=STATELESS, example="tariff.yaml --picture week.png")
def show(
    call: Call,
    file: FileArgument,
    picture: Annotated[Path | None, Written("Week heat-map (PNG), one per season.")] = None,
) -> Answer:
    """Render a tariff in words, and its energy price over the week as a picture."""
    tariffs, about = read_tariffs(file), shipped_source(file)
    paths = _pictures(tariffs, picture) if picture is not None else []
    text = "\n\n".join([*([about_text(about)] if about else []), *map(tariff_text, tariffs)])
    return Answer(
        {**_valid(tariffs), **({"about": about} if about else {}), "pictures": paths},
        text="\n".join([text, *(f"picture: {path}" for path in paths)]),
    )


@operation("tariff check", takes=STATELESS, example="tariff.yaml --json")
def check(call: Call, file: FileArgument) -> Answer:
    """Validate a tariff: every mistake with its line, and exactly one period at each instant."""
    try:
        tariffs = read_tariffs(file)
    except BadInput as fault:
        errors = _errors(fault)
        for sentence in errors:
            call.say(sentence)
        return Answer({"valid": False, "errors": errors, "tariff": {}}, exit_code=BAD_INPUT)
    names = ", ".join(tariff.tariff_id for tariff in tariffs)
    text = f"valid: {names}; exactly one period holds at each quarter hour of every kind of day"
    return Answer(_valid(tariffs), text=text)


@operation("tariff import", takes=PROJECT, example="tariff.yaml --site factory", writes=True)
def convert(
    call: Call,
    file: FileArgument,
    out: Annotated[Path | None, Written("Write our language here (JSON, which is YAML).")] = None,
    site: Annotated[str | None, Option("Write it into this site's file instead.")] = None,
) -> Answer:
    """Convert a URDB rate or a simple table to our language, or write any tariff into a site file, comments kept."""
    tariffs = read_tariffs(file)
    if site is not None:
        path = _into_site(call, site, tariffs)
        names = ", ".join(tariff.tariff_id for tariff in tariffs)
        text = f"{path} now holds {names}\n{call.then(site)}"
        return Answer({**_valid(tariffs), "path": path}, text=text)
    # Defaults are left out: what stands in the file is what somebody said.
    documents = [tariff.model_dump(mode="json", exclude_defaults=True) for tariff in tariffs]
    document = documents[0] if len(documents) == 1 else {"tariffs": documents}
    text = json.dumps(document, indent=2, ensure_ascii=False)
    if out is not None:
        out.write_text(text + "\n", encoding="utf-8")
    return Answer({**_valid(tariffs), "path": out}, text=f"wrote {out}" if out else text)


def _into_site(call: Call, site_id: str, tariffs: tuple[Tariff, ...]) -> Path:
    """Add them to the site's own; nothing is written where the site file would not load with them."""
    from assets.sites.edit_site import rewritten
    from assets.sites.load_sites import load_site, site_file
    from assets.tariffs.periods import tariffs_of
    from data_quality.contracts.site_file.meter import Carrier
    from data_quality.contracts.yaml_file import with_item, yaml_text
    from orchestration.operations.signing import edit_record

    path = site_file(call.places.sites_dir, site_id)

    def added(text: str) -> str:
        for tariff in tariffs:
            text = with_item(
                text, "tariffs", yaml_text(tariff.model_dump(mode="json", exclude_defaults=True)), file=str(path)
            )
        return text

    with rewritten(path, load_site, added, edit_record(call, site_id)) as site:
        for carrier in Carrier:
            # Two in force on one day are refused here, not with the first bill.
            tariffs_of(site, carrier)
    return path


def _errors(fault: BadInput) -> list[str]:
    if not isinstance(fault, BadConfiguration):
        return [str(fault)]
    return [
        f"{problem.file}, line {problem.line}, column {problem.column}: {problem.message}"
        + (f" ({problem.mend})" if problem.mend else "")
        for problem in fault.problems
    ]


def _valid(tariffs: tuple[Tariff, ...]) -> dict[str, Any]:
    """The first tariff, and all of them where a file holds several."""
    shown = [tariff.model_dump(exclude_defaults=True) for tariff in tariffs]
    more = {"tariffs": shown} if len(shown) > 1 else {}
    return {"valid": True, "errors": [], "tariff": shown[0], **more}


def _pictures(tariffs: tuple[Tariff, ...], target: Path) -> list[Path]:
    """One picture per tariff, `name.png`; further tariffs get their number."""
    from orchestration.previews import week_heat_map

    found = []
    for number, tariff in enumerate(tariffs, start=1):
        weeks = price_weeks(tariff)
        if not weeks:
            continue
        path = target if number == 1 else target.with_stem(f"{target.stem}-{number}")
        # Without a currency the unit would begin with the stroke.
        path.write_bytes(week_heat_map(weeks, title=tariff.tariff_id, unit=f"{tariff.currency or ''}/kWh".lstrip("/")))
        found.append(path)
    if not found:
        raise BadInput("no energy price goes by hours: there is nothing to draw", reason="no_picture")
    return found
