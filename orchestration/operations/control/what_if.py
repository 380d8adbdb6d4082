"""`meterloom what-if`: a year of a site's own readings replayed, as it is and with a change; `what-ifs list`."""

from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from assets.stores.ledgers.results import WhatIfs
from data_quality.contracts.control.what_if import PathPayback, PricePath, WhatIfResult
from data_quality.contracts.errors import BadInput
from data_quality.contracts.time import local_day, months_after
from orchestration.operations.answer import CHECK_FAILED, Answer, Table, finding_lines
from orchestration.operations.operation import PROJECT, Call, Option, Written, operation
from orchestration.operations.options import OnlySiteOption, SiteOption, number, write_file

if TYPE_CHECKING:
    from controls.planning.what_if.variants import Variant
    from data_quality.contracts.site_file.site import Site


MOST_YEARS = 10


@operation("what-if", takes=PROJECT, example="--site home --battery 20kWh --battery 30kWh --years 1", writes=True)
def what_if(
    call: Call,
    site: SiteOption,
    battery: Annotated[list[str] | None, Option("Batteries in all, as 10kWh.", metavar="SIZE")] = None,
    pv: Annotated[list[str] | None, Option("PV in all, peak, as 4kW.", metavar="SIZE")] = None,
    tariff: Annotated[list[Path] | None, Option("Other tariffs of electricity.", metavar="FILE")] = None,
    heat_pump: Annotated[
        list[str] | None, Option("Heat in place of the electric heating, as 8kW of heat.", metavar="SIZE")
    ] = None,
    together: Annotated[bool, Option("All changes at once, as one variant.")] = False,
    cost: Annotated[
        str | None, Option("What the one variant costs to buy, in the site's currency.", metavar="AMOUNT")
    ] = None,
    price_path: Annotated[
        list[str] | None, Option("Prices go so a year: rising=3, falling=-1.", metavar="NAME=PERCENT")
    ] = None,
    years: Annotated[int, Option("Years that are replayed, the last ones.", min=1, max=MOST_YEARS)] = 1,
    seed: Annotated[int, Option("Of the draws behind the intervals.", min=0)] = 1,
    picture: Annotated[Path | None, Written("Draw the bill by month, with and without (PNG).", metavar="FILE")] = None,
) -> Answer:
    """Bill, saving, carbon and payback of another battery, PV system, heat pump or tariff in the last whole year.

    The site's own readings are replayed by its planner and its bills, as it is and with each change.
    """
    from controls.planning.what_if.relive import what_if as relive
    from data_quality.contracts.finding import Finding

    known = call.project.site(site)
    variants = _variants(battery or [], pv or [], tariff or [], heat_pump or [], together=together, cost=cost)
    start, end = _last_years(call, known, years)
    today = local_day(call.clock.now_utc(), known.time_zone)
    found = relive(
        known, call.project.lake, variants, start=start, end=end, today=today, seed=seed,
        paths=_paths(price_path or []), progress=call.doing,
    )  # fmt: skip
    if isinstance(found, Finding):
        return Answer({"variants": [], "findings": [found]}, text=found.message, exit_code=CHECK_FAILED)
    kept = WhatIfs(call.project.store).keep(found, call.clock)
    if picture is not None:
        write_file(picture, months_picture(kept))
    return Answer(kept, _table(kept), "\n".join(_comparison_lines(kept, known)))


def months_picture(found: WhatIfResult) -> bytes:
    """PNG: the bill by month, as it is and of each variant."""
    from orchestration.previews import bars_png

    months = found.variants[0].months
    series = {"as it is": [each.without for each in months]}
    series |= {one.name: [each.cost for each in one.months] for one in found.variants}
    title = f"{found.site_id}: bill by month (synthetic devices, own readings)"
    return bars_png([f"{each.month:%y-%m}" for each in months], series, title=title, unit=found.currency)


def _variants(
    battery: list[str], pv: list[str], tariff: list[Path], heat_pump: list[str], *, together: bool, cost: str | None
) -> "list[Variant]":
    from assets.tariffs.formats.tariff_file import read_tariffs
    from controls.planning.what_if.variants import Variant, joined, size_of

    amount = None if cost is None else float(number(cost, "--cost"))
    if amount is not None and amount < 0:
        raise BadInput(f"--cost: {cost} is below 0; expected an amount", reason="bad_arguments")
    found = [Variant(name=f"battery {text}", battery_kwh=size_of(text, "kWh", "--battery")) for text in battery]
    found += [Variant(name=f"pv {text}", pv_kw=size_of(text, "kW", "--pv")) for text in pv]
    found += [Variant(name=f"tariff {path.stem}", tariffs=read_tariffs(path)) for path in tariff]
    found += [Variant(name=f"heat pump {text}", heat_pump_kw=size_of(text, "kW", "--heat-pump")) for text in heat_pump]
    if not found:
        raise BadInput("nothing is to be tried; expected --battery, --pv, --tariff or --heat-pump", reason="no_variant")
    if together:
        return [joined(found, cost=amount)]
    if amount is not None and len(found) > 1:
        raise BadInput("--cost is of one variant; expected one, or --together", reason="bad_arguments")
    return [each.model_copy(update={"cost": amount}) for each in found]


def _paths(given: list[str]) -> tuple[PricePath, ...]:
    """Paths of prices. Raises BadInput for one without a name or a number, too steep a one, and two of one name."""
    found = dict[str, PricePath]()
    for text in given:
        name, _, percent = text.partition("=")
        try:
            found[name] = PricePath(name=name, percent_a_year=float(percent.removesuffix("%")))
        except ValueError as fault:
            expected = "a name in small letters, and percent a year from -20 to 20, as rising=3"
            raise BadInput(f"--price-path: {text[:60]!r}; expected {expected}", reason="bad_arguments") from fault
    if len(found) < len(given):
        raise BadInput("--price-path: two have one name; expected different ones", reason="bad_arguments")
    return tuple(found.values())


def _last_years(call: Call, site: "Site", years: int) -> tuple[date, date]:
    """The last whole calendar months that were read, as many years of them. Raises BadInput where there are fewer."""
    span = call.project.lake.span(site.site_id)
    today = local_day(call.clock.now_utc(), site.time_zone)
    if span is None:
        raise BadInput("there is no reading yet; a what-if needs 12 whole months", reason="no_year")
    # A day that is not over is not whole; the span tells days of UTC, the first of which may begin the evening before.
    first = span[0] if span[0].day == 1 else months_after(span[0].replace(day=1), 1)
    end = min(span[1], today).replace(day=1)
    start = months_after(end, -12 * years)
    if start < first:
        whole = max((end.year - first.year) * 12 + end.month - first.month, 0)
        mend = f"meterloom simulate --site {site.site_id} --from DAY --to DAY takes any days"
        message = f"{whole} whole months were read, from {span[0]} to {span[1]}; a what-if needs {12 * years}"
        raise BadInput(message, reason="no_year", mend=mend)
    return start, end


def _comparison_lines(found: WhatIfResult, site: "Site") -> list[str]:
    low, high = found.without_interval
    lines = [
        f"synthetic: {site.name} replayed from {found.start} to {found.end}, stored as {found.result_id}",
        f"  as it is: {found.without:,.2f} {found.currency} a year, {low:,.2f} to {high:,.2f} with 90 % confidence",
    ]
    if found.billed is not None:
        lines.append(f"  the bill of what was metered: {found.billed:,.2f} {found.currency} a year")
    lines += [f"  assumed: {each}" for each in found.assumptions]
    lines += finding_lines(found.findings, indent="  ")
    for one in found.variants:
        lines += [f"  {one.name}, prices {each.name} ({each.percent_a_year:+g} % a year): {_years(each)}"
                  for each in one.paths]  # fmt: skip
    unpriced = [each.name for each in found.variants if each.price is None]
    if unpriced:
        lines.append(f"  no payback of {', '.join(unpriced)}: what it costs is not known; --cost says it")
    return lines


def _years(path: PathPayback) -> str:
    if path.payback_years is None:
        return "it does not pay back"
    low, high = ("never" if each is None else f"{each:.1f}" for each in path.payback_interval)
    return f"pays back in {path.payback_years:.1f} years, {low} to {high} with 90 % confidence"


def _table(found: WhatIfResult) -> Table:
    rows: list[dict[str, Any]] = [
        {**each.model_dump(), "low": each.interval[0], "high": each.interval[1]} for each in found.variants
    ]
    money = found.currency
    return Table(
        rows,
        f"variant: {{name}} | bill, {money} a year: {{cost:z,.2f}} | saved: {{saving:z,.2f}} | from: {{low:z,.2f}} | "
        "to: {high:z,.2f} | kgCO2e saved: {saving_kgco2e:z,.1f} | payback, years: {payback_years:.1f} | "
        "run by: {policy}",
    )


@operation("what-ifs list", repeats=True, takes=PROJECT, example="--site home")
def what_ifs(call: Call, site: OnlySiteOption = None) -> Answer:
    """Stored what-ifs, the newest first."""
    found = WhatIfs(call.project.store).of(None if site is None else call.project.site(site).site_id)
    rows = [
        {**each.model_dump(exclude={"variants"}), **one.model_dump()} for each in found[::-1] for one in each.variants
    ]
    shown = (
        "result: {result_id} | site: {site_id} | from {start} | to {end} | {name} | saving a year: {saving:z,.2f} | "
        "{currency} | payback, years: {payback_years:.1f}"
    )
    return Answer({"what_ifs": found[::-1]}, Table(rows, shown, empty="no what-if is stored"))
