"""Options that commands of several groups have, and what their texts say."""

from datetime import date, datetime
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Annotated

from data_quality.contracts.errors import BadInput
from data_quality.contracts.organisation import Organisation
from data_quality.contracts.sentence import Sentence
from data_quality.contracts.site_file.site import ColumnMap, Site
from data_quality.contracts.time import Period, local_midnight_utc, parse_day, parse_instant, parse_period
from data_quality.contracts.yaml_file import load_model
from orchestration.operations.operation import Call, Option

SiteOption = Annotated[str, Option("Which site.")]
AnySiteOption = Annotated[str | None, Option("Which site.")]
OnlySiteOption = Annotated[str | None, Option("Only this site.")]
AnyOrganisationOption = Annotated[str | None, Option("Which organisation, instead of a site.")]
OrganisationOption = Annotated[str, Option("Which organisation.")]
PortfolioOption = Annotated[bool, Option("All sites together.")]
PeriodOption = Annotated[str, Option("2025, 2025-Q1, 2025-03 or START/END.")]
AnyPeriodOption = Annotated[str | None, Option("2025, 2025-Q1, 2025-03 or START/END.")]
ReasonOption = Annotated[str, Option("Why.")]
DryOption = Annotated[bool, Option("Say what would happen; write nothing.")]
MapOption = Annotated[Path | None, Option("Column map (YAML), as a site file holds it.", "--map")]


def organisation_span(call: Call, organisation: str, period: str) -> tuple[Organisation, Period]:
    """An organisation of the project, as of --as-of where that is asked, and a period's text read by the clock of its
    first site. Raises BadInput.
    """
    from orchestration.views.pack_subjects import organisation_of

    found = organisation_of(call.project, organisation, as_of_utc=call.as_of_utc)
    return found, parse_period(period, call.project.site(found.sites[0].site).time_zone)


def column_map(path: Path | None) -> ColumnMap | None:
    """The column map of a file, or none."""
    return load_model(path, ColumnMap) if path is not None else None


def period_or_none(text: str | None, site: Site) -> Period | None:
    """The period of an option in the site's zone, if it was given. Raises BadInput."""
    return parse_period(text, site.time_zone) if text else None


def day_or_none(text: str | None, option: str) -> date | None:
    """The local day that an option names, if it was given. Raises BadInput."""
    return None if text is None else parse_day(text, option)


def instant_or_none(text: str, site: Site) -> datetime | None:
    """The instant, or beginning of the local day, of --until, if it was given. Raises BadInput."""
    if "T" in text:
        return parse_instant(text, site.time_zone)
    return local_midnight_utc(parse_day(text, "--until"), site.time_zone) if text else None


def event_span(text: str, time_zone: str) -> tuple[datetime, datetime]:
    """[start, end) of `--event START/END`, without offset by the clock of the zone. Raises BadInput."""
    start, slash, end = text.partition("/")
    if not slash:
        raise BadInput(f"--event {text!r}: expected START/END", reason="bad_event")
    return parse_instant(start, time_zone), parse_instant(end, time_zone)


def number(text: str, option: str) -> Decimal:
    """The finite number that an option names. Raises BadInput."""
    try:
        found = Decimal(text)
    except InvalidOperation as error:
        message = Sentence("{0}: expected a number, got {1}", option, repr(text))
        raise BadInput(message, reason="not_a_number") from error
    if not found.is_finite():
        raise BadInput(f"{option}: expected a finite number, got {text!r}", reason="not_a_number")
    return found


def number_or_none(text: str | None, option: str) -> Decimal | None:
    """The finite number that an option names, if it was given. Raises BadInput."""
    return None if text is None else number(text, option)


def write_file(path: Path, content: bytes) -> None:
    """Write what an option asked to be written. Raises BadInput."""
    try:
        path.write_bytes(content)
    except OSError as error:
        raise BadInput(f"cannot be written: {error.strerror}", file=str(path), reason="not_written") from error
