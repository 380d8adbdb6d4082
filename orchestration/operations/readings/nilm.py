"""`meterloom nilm`: the energy of a circuit by class of load, from plain files or, stored, of a site's circuit."""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Annotated, NamedTuple

from assets.stores.ledgers.results import Disaggregations
from data_quality.contracts.access.permissions import Permission, expect
from data_quality.contracts.errors import BadInput
from data_quality.contracts.reporting.disaggregation import (
    ClassEnergy,
    Disaggregation,
    LoadClass,
    LoadSignature,
    LoadSignatures,
    StoredDisaggregation,
    worded,
)
from data_quality.contracts.yaml_file import load_model
from orchestration.operations.answer import CHECK_FAILED, Answer, Table, finding_lines
from orchestration.operations.operation import ACTS, PROJECT, Argument, Call, Option, operation
from orchestration.operations.options import AnySiteOption, OnlySiteOption

_CLASSES = (
    "class: {name} | kWh: {kwh:,.1f} | share: {share:.1%} | 90 %: {band} | confidence: {confidence:.2f} "
    "{confidence_label} | on h: {on_h} | F1 held out: {f1_held_out:.2f} | from: {origin}"
)


@operation(
    "nilm run",
    repeats=True,
    takes=ACTS,
    example="--energy main.csv --submeters campaign.csv --train 2025-01-06/2025-02-17 --tz Europe/Paris",
)
def nilm_run(
    call: Call,
    energy: Annotated[Path | None, Option("The circuit: timestamp,<kwh|kw …>, 1 minute to 1 hour.")] = None,
    submeters: Annotated[Path | None, Option("meter,timestamp,kwh of a campaign; weeks of it suffice.")] = None,
    train: Annotated[str | None, Option("Span that teaches, START/END.")] = None,
    report: Annotated[str | None, Option("Span that is estimated, START/END; else all.")] = None,
    meter: Annotated[str | None, Option("Which meter of the energy file.")] = None,
    tz: Annotated[str | None, Option("Zone of the local calendar (IANA).")] = None,
    signatures: Annotated[
        Path | None, Option("Loads without a sub-meter, described by rating, duty, hours (YAML).")
    ] = None,
    beside: Annotated[
        list[str] | None, Option("Further column of the energy file: reactive power, voltage, PV. Repeatable.")
    ] = None,
    group: Annotated[
        list[str] | None, Option("A class of several sub-meters, NAME=METER,METER. Repeatable.", "--class")
    ] = None,
    on_above: Annotated[list[str] | None, Option("Power above which a class is on, NAME=KW. Repeatable.")] = None,
    site: AnySiteOption = None,
    circuit: Annotated[
        str | None, Option("A circuit of the site file, in place of files: the answer is stored.")
    ] = None,
) -> Answer:
    """Share out a circuit's energy among classes of load, taught by sub-meters of some weeks or described by rating.

    An estimate with its band and confidence, never for live control. A class that the training hardly saw is not
    estimable; the energy that no class holds is the rest.
    """
    if site is not None:
        return _of_site(call, site, circuit)
    if energy is None:
        raise BadInput("expected a circuit", reason="bad_request", mend="give --energy FILE, or --site and --circuit")
    if submeters is None and signatures is None:
        raise BadInput("expected sub-meters or described loads", reason="bad_request", mend="give --submeters FILE")
    if submeters is not None and train is None:
        raise BadInput("expected the span that teaches", reason="bad_request", mend="give --train START/END")
    options = _Options(energy, meter, submeters, train, report, tz, beside or (), group or (), on_above or ())
    return _of_files(call, options, () if signatures is None else load_model(signatures, LoadSignatures).loads)


class _Options(NamedTuple):
    energy: Path
    meter: str | None
    submeters: Path | None
    train: str | None
    report: str | None
    tz: str | None
    beside: Sequence[str]
    group: Sequence[str]
    on_above: Sequence[str]


def _of_files(call: Call, options: _Options, loads: Sequence[LoadSignature]) -> Answer:
    from ml.baselines.usage_tables.read_usage import Source
    from ml.disaggregation.campaign import train_campaign
    from ml.disaggregation.circuit_features import features
    from ml.disaggregation.disaggregate import disaggregate, expect_readings
    from ml.disaggregation.read_circuit import local_span, read_circuit

    call.doing("reading the files")
    source = Source(options.energy, None, options.meter)
    circuit, findings = read_circuit(source, options.submeters, beside=options.beside, zone=options.tz)
    whole = (circuit.start_utc, circuit.instant(len(circuit.kwh)))
    span = whole if options.report is None else local_span(options.report, "--report", circuit.zone)
    expect_readings(circuit, span)
    campaign, matrix = None, None
    if options.train is not None and options.submeters is not None:
        call.doing("learning the classes")
        classes = _classes(sorted(circuit.submeters), options.group, options.on_above)
        matrix = features(circuit)
        campaign = train_campaign(circuit, classes, local_span(options.train, "--train", circuit.zone), matrix=matrix)
    call.doing("estimating the report span")
    found = disaggregate(circuit, span, campaign=campaign, loads=loads, matrix=matrix)
    found = found.model_copy(update={"findings": (*findings, *found.findings)})
    is_answered = any(each.estimable for each in found.classes)
    return Answer(found, table_of(found), text_of(found), exit_code=0 if is_answered else CHECK_FAILED)


def _of_site(call: Call, site: str, circuit: str | None) -> Answer:
    """A circuit of a site file: estimated up to now, and stored."""
    from ml.disaggregation.site_circuit import run_circuit

    expect(call.known_person(), Permission.NILM_RUN)
    where = call.project.site(site)
    if circuit is None:
        raise BadInput("expected a circuit of the site", reason="bad_request", mend="give --circuit METER")
    call.doing("learning and estimating the classes")
    return shown(run_circuit(where, circuit, lake=call.project.lake, tracker=call.project.tracker, clock=call.clock))


def shown(made: StoredDisaggregation) -> Answer:
    """A stored disaggregation with the rows of its intervals."""
    findings = tuple(map(worded, made.found.findings))
    found = made.found.model_copy(update={"rows": tuple(made.rows), "findings": findings})
    facts = made.model_dump(exclude={"found", "kept"})
    head = f"{made.result_id}: {made.circuit} of {made.site_id}, taught {made.train}"
    is_answered = any(each.estimable for each in found.classes)
    exit_code = 0 if is_answered else CHECK_FAILED
    return Answer({**facts, **dict(found)}, (head, table_of(found)), text_of(found), exit_code=exit_code)


def table_of(found: Disaggregation) -> Table:
    """Classes of a disaggregation."""

    def band(each: ClassEnergy) -> str:
        return "none" if each.interval_kwh is None else f"{each.interval_kwh[0]:,.1f} to {each.interval_kwh[1]:,.1f}"

    def on_h(each: ClassEnergy) -> str:
        return "-" if each.on_seconds is None else f"{each.on_seconds / 3600:,.0f}"

    def origin(each: ClassEnergy) -> str:
        if not each.estimable:
            return "not estimable"
        return "description" if each.mode == "signature" else "extrapolated" if each.extrapolated else "campaign"

    return Table(found.classes, _CLASSES, band=band, on_h=on_h, origin=origin)


def text_of(found: Disaggregation) -> str:
    """Energy outside all classes, and the findings."""
    share = found.rest_kwh / found.circuit_kwh if found.circuit_kwh else 0.0
    rest = f"rest: {found.rest_kwh:,.1f} of {found.circuit_kwh:,.1f} kWh ({share:.1%}); not for live control"
    return "\n".join([rest, *finding_lines(found.findings)])


def _classes(meters: Sequence[str], groups: Iterable[str], on_above: Iterable[str]) -> list[LoadClass]:
    """Classes of sub-meters: groups as asked, each other meter a class of its own. Raises BadInput."""
    named = {name: tuple(part.strip() for part in members.split(",")) for name, members in _pairs(groups, "--class")}
    grouped = {member for members in named.values() for member in members}
    if len(grouped) != sum(map(len, named.values())):
        raise BadInput("--class: a sub-meter stands in two classes; expected each in one", reason="bad_class")
    named |= {meter: (meter,) for meter in meters if meter not in grouped}
    limits = dict(_pairs(on_above, "--on-above"))
    if unknown := sorted(limits.keys() - named.keys()):
        raise BadInput(
            f"--on-above {unknown[0]!r}: no such class; there are {', '.join(named)}", reason="unknown_class"
        )
    return [
        LoadClass(name=name, meters=members, on_kw=_kw(name, limits[name]) if name in limits else None)
        for name, members in named.items()
    ]


def _pairs(texts: Iterable[str], option: str) -> list[tuple[str, str]]:
    found = []
    for text in texts:
        name, equals, value = text.partition("=")
        if not equals or not name.strip() or not value.strip():
            raise BadInput(f"{option} {text!r}: expected NAME=VALUE", reason="bad_class")
        found.append((name.strip(), value.strip()))
    return found


def _kw(name: str, text: str) -> float:
    from orchestration.operations.options import number

    found = float(number(text, f"--on-above {name}"))
    if found < 0:
        raise BadInput(f"--on-above {name}={text}: expected a power of zero or more, kW", reason="bad_power")
    return found


_LIST = (
    "id: {result_id} | site: {site_id} | circuit | train | class: {name} | kWh: {kwh:,.1f} | "
    "confidence: {confidence:.2f} {confidence_label} | stored: {recorded_at_utc}"
)


@operation("nilm list", takes=PROJECT, example="--site factory")
def nilm_list(call: Call, site: OnlySiteOption = None) -> Answer:
    """Stored disaggregations, the newest first."""
    known = Disaggregations(call.project.store).of(None if site is None else call.project.site(site).site_id)[::-1]
    found = [
        {**each.model_dump(exclude={"found", "kept"}), "classes": each.found.classes, "rest_kwh": each.found.rest_kwh}
        for each in known
    ]
    rows = [{**each.model_dump(exclude={"kept"}), **own.model_dump()} for each in known for own in each.found.classes]
    return Answer({"disaggregations": found}, Table(rows, _LIST, empty="no disaggregation is stored"))


@operation("nilm show", takes=PROJECT, example="3f2a9c")
def nilm_show(
    call: Call,
    disaggregation: Annotated[str, Argument("Of a disaggregation, or how it starts.", metavar="ID")],
    site: OnlySiteOption = None,
) -> Answer:
    """Show a stored disaggregation: its classes, its weeks and every interval."""
    where = None if site is None else call.project.site(site).site_id
    return shown(Disaggregations(call.project.store).named(disaggregation, where))
