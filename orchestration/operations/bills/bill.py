"""`meterloom bill`: a bill line by line, tariffs compared on one load, and options that commands of bills share."""

from collections.abc import Sequence
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Any, Literal, cast

from assets.bills.documents.read_load import read_load, read_prices, read_reactive, zone_of
from assets.bills.documents.reads import read_registers
from assets.bills.engine.bill_load import Load, with_generation, with_kvarh
from assets.bills.engine.compare import compare_tariffs
from assets.bills.engine.compute import make_bill
from assets.bills.engine.from_reads import make_bill_from_reads
from assets.tariffs.formats.tariff_file import read_tariffs
from assets.tariffs.periods import example_prices
from assets.tariffs.price_series import PriceSeries
from data_quality.contracts.billing.bill import Bill, BillPeriod
from data_quality.contracts.billing.tariff import Rounding, Tariff
from data_quality.contracts.errors import BadInput
from data_quality.contracts.time import zone
from orchestration.operations.answer import Answer, Table, finding_lines
from orchestration.operations.operation import STATELESS, Argument, Call, Option, operation
from orchestration.operations.options import MapOption, column_map, day_or_none, number

LoadOption = Annotated[Path | None, Option("Interval energy: timestamp,kwh|kw|m3.")]
PricesOption = Annotated[Path | None, Option("timestamp,<currency>_per_kwh|_per_mwh.")]


def prices_of(path: Path | None, tariffs: Sequence[Tariff], time_zone: str) -> dict[str, PriceSeries]:
    """The file's prices under the name that the tariffs ask for. Raises BadInput where they ask for two."""
    if path is None:
        return {}
    # A price file has no name of its own: it is whatever one series the tariffs ask for.
    names = {charge.series.series for tariff in tariffs for charge in tariff.energy_charges if charge.series}
    names |= {tariff.export.series.series for tariff in tariffs if tariff.export and tariff.export.series}
    if len(names) > 1:
        raise BadInput(f"tariffs ask for the series {', '.join(sorted(names))}; --prices is one", reason="price_gap")
    # A file that no tariff asks for is read all the same: a wrong one must not pass in silence.
    found = {name: read_prices(path, time_zone=time_zone, name=name) for name in names or ("spot",)}
    return found if names else {}


def load_with_warnings(call: Call, path: Path, **how: Any) -> Load:
    """The load of a file, its warnings said. how: as `read_load` is asked. Raises BadInput."""
    file = read_load(path, **how)
    for warning in file.warnings:
        call.say(warning)
    return file.load


def zone_to_use(requested: str | None, tariffs: Sequence[Tariff], load: Path | None, call: Call) -> str:
    """--tz, else the tariffs' zone, else the one offset of the load's times, which is said; days alone need none.

    Raises BadInput.
    """
    named = sorted({tariff.time_zone for tariff in tariffs if tariff.time_zone})
    if requested is not None or len(named) == 1:
        # Looked up for its refusal: an unknown zone is told here, not from inside the computation.
        chosen = requested or named[0]
        zone(chosen)
        return chosen
    if len(named) > 1:
        raise BadInput(f"tariffs name the zones {', '.join(named)}; give --tz", reason="no_zone")
    found = zone_of(load) if load is not None else "UTC"
    if found is None:
        raise BadInput("times have no offset and no zone is named", reason="no_zone", mend="give --tz")
    if load is not None:
        call.say(
            f"no zone is named by --tz or the tariff: days and months are those of {found}, as the file's times say"
        )
    return found


TariffOption = Annotated[list[Path] | None, Option("Tariff file or name of a shipped one; several: dated.")]
TzOption = Annotated[str | None, Option("Zone of days and months (IANA).")]
GenerationOption = Annotated[Path | None, Option("Energy of a plant behind the meter.")]
MeterOption = Annotated[str | None, Option("Which meter of the load or the reads.")]
FromOption = Annotated[str | None, Option("First local day of the bill.", "--from")]
ToOption = Annotated[str | None, Option("Local day after the last.", "--to")]
# Over pairs of a period and a line of it.
LINES = {
    "from": "{0.start}",
    "line": "{1.line_id}",
    "description": "{1.description}",
    "quantity": "{1.quantity:,.2f|}",
    "unit": "{1.unit}",
    "rate": "{1.rate:f|}",
    "per": "{1.rate_unit}",
}
OWNER = {"owner": "{1.owner}"}


@operation("bill", takes=STATELESS, example="--tariff tariff.yaml --load load.csv --tz Europe/Berlin --json")
def bill(
    call: Call,
    tariff: TariffOption = None,
    load: LoadOption = None,
    generation: GenerationOption = None,
    reactive: Annotated[Path | None, Option("Reactive energy: timestamp,kvarh.")] = None,
    prices: PricesOption = None,
    reads: Annotated[Path | None, Option("Register reads instead of a load.")] = None,
    meter: MeterOption = None,
    multiplier: Annotated[str, Option("Of the registers (transformer ratio).")] = "1",
    start: FromOption = None,
    end: ToOption = None,
    rounding: Annotated[str | None, Option("line or none, instead of the tariff's.")] = None,
    currency: Annotated[str | None, Option("Of a tariff that names none.")] = None,
    tz: TzOption = None,
    mapping: MapOption = None,
) -> Answer:
    """Compute a bill, one per local calendar month of the load, or one for --from --to."""
    tariffs = _tariffs(tariff)
    rule = _rounding(rounding)
    first, last = day_or_none(start, "--from"), day_or_none(end, "--to")
    if (load is None) == (reads is None):
        raise BadInput("a bill needs --load or --reads, and not both", reason="no_load")
    if reads is not None:
        found = read_registers(reads, meter=meter, multiplier=_multiplier(multiplier))
        bills = [
            make_bill_from_reads(
                tariffs, each, time_zone=zone_to_use(tz, tariffs, None, call), start=first, end=last,
                rounding=rule, currency=currency,
            )
            # With both ends given one bill is asked for, whatever reads lie between.
            for each in (_joined(found) if first and last else found)
        ]  # fmt: skip
        return _answer(bills, call)
    assert load is not None  # noqa: S101
    time_zone = zone_to_use(tz, tariffs, load, call)
    used = _load(load, generation, reactive, meter, time_zone, mapping, call)
    made = make_bill(
        tariffs,
        used,
        time_zone=time_zone,
        start=first,
        end=last,
        prices=prices_of(prices, tariffs, time_zone),
        rounding=rule,
        currency=currency,
    )
    return _answer([made], call)


@operation("bill compare", takes=STATELESS, example="--tariff a.yaml --tariff b.json --load load.csv")
def compare(
    call: Call,
    more: Annotated[list[Path] | None, Argument("Further tariffs.", metavar="[FILE]...")] = None,
    tariff: TariffOption = None,
    load: LoadOption = None,
    generation: GenerationOption = None,
    prices: PricesOption = None,
    meter: MeterOption = None,
    start: FromOption = None,
    end: ToOption = None,
    tz: TzOption = None,
    mapping: MapOption = None,
) -> Answer:
    """Rank tariffs by what the load would have cost under each."""
    files = [*(tariff or []), *(more or [])]
    if not files or load is None:
        raise BadInput("bill compare needs --tariff FILE… and --load FILE", reason="no_tariff")
    books = {str(file): read_tariffs(file) for file in files}
    every = [each for tariffs in books.values() for each in tariffs]
    time_zone = zone_to_use(tz, every, load, call)
    used = _load(load, generation, None, meter, time_zone, mapping, call)
    ranked = compare_tariffs(
        _named(books),
        used,
        time_zone=time_zone,
        start=day_or_none(start, "--from"),
        end=day_or_none(end, "--to"),
        prices=prices_of(prices, every, time_zone),
    )
    made_up = [example_prices(each) for each in every if each.prices == "example"]
    found = {
        "currency": ranked.currency,
        "coverage": ranked.coverage,
        "findings": made_up,
        "tariffs": [{"name": row.name, "total": row.total, "above_cheapest": row.above} for row in ranked.rows],
    }
    columns = {
        "tariff": "{name}",
        f"total, {ranked.currency}": "{total:,.2f}",
        "above the cheapest": "{above_cheapest:,.2f}",
    }
    text = [] if ranked.coverage == 1 else [f"the load covers {ranked.coverage:.1%} of the time"]
    return Answer(found, Table("tariffs", columns), "\n".join(text + finding_lines(made_up, indent="")))


def _tariffs(files: list[Path] | None) -> tuple[Tariff, ...]:
    if not files:
        raise BadInput("a bill needs --tariff FILE", reason="no_tariff")
    return tuple(tariff for file in files for tariff in read_tariffs(file))


def _named(books: dict[str, tuple[Tariff, ...]]) -> dict[str, tuple[Tariff, ...]]:
    """Tariffs by name; by name and file where two have one name."""
    names = {file: tariffs[0].name or tariffs[0].tariff_id for file, tariffs in books.items()}
    titles = list(names.values())
    return {name if titles.count(name) == 1 else f"{name} ({file})": books[file] for file, name in names.items()}


def _load(
    path: Path,
    generation: Path | None,
    reactive: Path | None,
    meter: str | None,
    time_zone: str,
    mapping: Path | None,
    call: Call,
) -> Load:
    used = load_with_warnings(call, path, time_zone=time_zone, meter=meter, mapping=column_map(mapping))
    if generation is not None:
        used = with_generation(used, load_with_warnings(call, generation, time_zone=time_zone))
    return with_kvarh(used, read_reactive(reactive, time_zone=time_zone)) if reactive is not None else used


def _rounding(text: str | None) -> Rounding | None:
    if text not in (None, "line", "none"):
        raise BadInput(f"--rounding: expected line or none, got {text!r}", reason="bad_rounding")
    return cast(Literal["line", "none"] | None, text)


def _multiplier(text: str) -> Decimal:
    found = number(text, "--multiplier")
    if found <= 0:
        raise BadInput(f"--multiplier: expected a number above zero, got {text!r}", reason="bad_multiplier")
    return found


def _joined(found: list[Any]) -> list[Any]:
    """All uses as one, for one bill over several reads."""
    return [type(found[0])(uses=tuple(use for each in found for use in each.uses))]


def _answer(bills: list[Bill], call: Call) -> Answer:
    periods = [period for bill in bills for period in bill.periods]
    # Bills of one load share its findings: each is said once.
    findings = list({finding.message: finding for bill in bills for finding in bill.findings}.values())
    for finding in findings:
        call.say(finding.message)
    days = sum((period.end - period.start).days for period in periods)
    # Weighed by days: a first month of three days must not count as much as a whole one.
    covered = sum(period.coverage * (period.end - period.start).days for period in periods)
    total = sum((bill.total for bill in bills), Decimal(0))
    by_owner: dict[str, Decimal] = {}
    for owner, amount in (each for bill in bills for each in bill.by_owner().items()):
        by_owner[owner] = by_owner.get(owner, Decimal(0)) + amount
    currency = bills[0].currency
    coverage = bills[0].coverage if len(bills) == 1 else covered / days
    found = {
        "currency": currency,
        "time_zone": bills[0].time_zone,
        "rounding": bills[0].rounding,
        "periods": [_period(period) for period in periods],
        "by_owner": by_owner,
        "total": total,
        "coverage": coverage,
        "findings": findings,
    }
    # Where nobody is named there is no split to show.
    has_owners = bool(set(by_owner) - {"unknown"})
    table = Table(
        [(period, line) for period in periods for line in period.lines],
        {**LINES, **(OWNER if has_owners else {}), currency: "{1.amount:,.2f}"},
    )
    lines = [f"total {total:,.2f} {currency}; the load covers {coverage:.1%} of the time"]
    if has_owners:
        lines.insert(0, "; ".join(f"{owner} {amount:,.2f} {currency}" for owner, amount in by_owner.items()))
    return Answer(found, table, "\n".join(lines))


def _period(period: BillPeriod) -> dict[str, Any]:
    return {
        "start": period.start,
        "end": period.end,
        "tariffs": period.tariff_ids,
        "lines": [
            {
                "id": line.line_id,
                "kind": line.kind.name.lower(),
                **line.model_dump(include={"component", "description", "quantity", "unit", "rate", "party", "owner"}),
                "rate_unit": line.rate_unit,
                "amount": line.amount,
            }
            for line in period.lines
        ],
        **period.model_dump(include={"total", "coverage", "energy_kwh", "export_kwh"}),
    }
