"""The register of a benchmark: what each site is used for, how large it is, where it stands; and reference tables."""

from collections.abc import Sequence
from datetime import date
from pathlib import Path
from typing import Literal

from pydantic import Field

from assets.readings.tables.table_rows import Row, Table, read_table
from data_quality.contracts.errors import BadInput
from data_quality.contracts.finding import Finding
from data_quality.contracts.model import Model
from data_quality.contracts.sentence import Sentence

GroupBy = Literal["use", "size", "climate", "all"]
# Names that registers in the wild have for our columns, ours first.
SITE_COLUMNS = ("site", "building_id", "site_id")
USE_COLUMNS = ("use", "primaryspaceusage")
AREA_COLUMNS = ("floor_area_m2", "sqm", "area_m2")
# Sites of up to so many square metres; ours, not a standard's.
SIZES = (("small", 1_000.0), ("medium", 10_000.0))
LARGEST = "large"
HOURS_A_WEEK = 168.0


class RegisteredSite(Model):
    """One site of a register. floor_area_m2: None where no use can be made of the cell; the finding says why.

    station: whose weather is the site's; empty where its weather goes by its own name.
    """

    site: str = Field(min_length=1, max_length=200)
    use: str
    floor_area_m2: float | None = Field(default=None, gt=0)
    climate: str = ""
    station: str = ""
    hours_per_week: float | None = Field(default=None, gt=0, le=HOURS_A_WEEK)


class ReferenceValue(Model):
    """A point of a published distribution: of this use, `percentile` % of buildings take at most so much."""

    use: str
    percentile: float = Field(gt=0, lt=100)
    kwh_per_m2: float = Field(gt=0)
    source: str = Field(min_length=1)
    as_of: date


def read_register(path: Path) -> tuple[dict[str, RegisteredSite], list[Finding]]:
    """Sites by name, and what is wrong with single cells. Raises BadInput for a file that is no register.

    A floor area that is missing or zero leaves its site without a value: a finding names file, line and key.
    """
    table = read_table(path)
    name, use, area = (_column(table, path, each) for each in (SITE_COLUMNS, USE_COLUMNS, AREA_COLUMNS))
    found: dict[str, RegisteredSite] = {}
    findings: list[Finding] = []
    for row in table.rows:
        site = row.needed(name, "a site needs a name")
        if site in found:
            raise row.bad(f"{name}: {site!r} appears twice", reason="duplicate_site")
        size, fault = _area(row, area)
        if fault:
            findings.append(_no_area(site, row, area, fault))
        hours = row.number("hours_per_week")
        if hours is not None and not 0 < hours <= HOURS_A_WEEK:
            raise row.bad(f"hours_per_week: expected above 0 and at most 168, got {hours}", reason="bad_number")
        found[site] = RegisteredSite(
            site=site,
            use=row.text(use).casefold(),
            floor_area_m2=size,
            climate=row.text("climate"),
            station=row.text("weather") or (row.text("site_id") if name != "site_id" else ""),
            hours_per_week=None if hours is None else float(hours),
        )
    if not found:
        raise BadInput("has no site", file=str(path), reason="no_rows")
    return found, findings


def _area(row: Row, column: str) -> tuple[float | None, str]:
    """The floor area, or why there is none."""
    number = row.number(column)
    if number is None:
        return None, "is missing"
    return (float(number), "") if number > 0 else (None, "is zero")


def _no_area(site: str, row: Row, column: str, fault: str) -> Finding:
    return Finding(
        code="floor_area_unusable",
        message=Sentence(
            "{0}, line {1}: {2} of {3} {4}; expected square metres above 0. It has no value and no rank.",
            Path(row.file).name,
            row.line,
            column,
            site,
            Sentence(fault),
        ),
        severity="blocking",
        scope=f"site:{site}",
        facts={"line": row.line, "key": column},
    )


def _column(table: Table, path: Path, names: Sequence[str]) -> str:
    found = next((name for name in names if name in table.columns), None)
    if found is None:
        raise BadInput(
            f"lacks the column {names[0]}; it has {', '.join(table.columns)}",
            file=str(path),
            line=1,
            reason="missing_column",
        )
    return found


def group_of(site: RegisteredSite, by: Sequence[GroupBy]) -> str:
    """The peer group of a site, parts joined by a slash: `education`, `office/medium`; `all` where nothing divides."""
    parts = [_part(site, each) for each in by if each != "all"]
    return "/".join(parts) or "all"


def _part(site: RegisteredSite, by: GroupBy) -> str:
    if by == "use":
        return site.use or "unknown use"
    if by == "climate":
        return site.climate or "unknown climate"
    if site.floor_area_m2 is None:
        return "unknown size"
    return next((name for name, most in SIZES if site.floor_area_m2 < most), LARGEST)


def read_reference(path: Path) -> list[ReferenceValue]:
    """A dated table of published values: use, percentile, kwh_per_m2, source, as_of. Raises BadInput."""
    table = read_table(path, needs=("use", "percentile", "kwh_per_m2", "source", "as_of"))
    found = []
    for row in table.rows:
        percentile, value = row.number("percentile"), row.number("kwh_per_m2")
        if percentile is None or not 0 < percentile < 100:
            raise row.bad("percentile: expected a number between 0 and 100", reason="bad_number")
        if not value:
            raise row.bad("kwh_per_m2: expected a number above 0", reason="bad_number")
        found.append(
            ReferenceValue(
                use=row.needed("use", "a reference needs a use").casefold(),
                percentile=float(percentile),
                kwh_per_m2=float(value),
                source=row.needed("source", "a reference needs its source"),
                as_of=row.day("as_of"),
            )
        )
    return found


def reference_percentile(value: float, use: str, table: Sequence[ReferenceValue]) -> str:
    """Position of a value (kWh/m² a year) in the newest published distribution of its use; empty without one."""
    newest = max((each.as_of for each in table if each.use == use), default=None)
    points = sorted((p.kwh_per_m2, p.percentile, p.source) for p in table if p.use == use and p.as_of == newest)
    if not points:
        return ""
    below = [percentile for limit, percentile, _ in points if value > limit]
    place = f"above {below[-1]:g} %" if below else f"at most {points[0][1]:g} %"
    return f"{place} ({points[0][2]}, {newest})"
