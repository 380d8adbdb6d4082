"""`meterloom carbon`: Scope 1 and 2 of activities, or Scope 2 of a load by the hour beside the annual method.

`carbon chp`: emissions of a plant divided between heat and power.
"""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from assets.carbon.by_hour.hourly_scope2 import annual_factors, hourly_scope2
from assets.carbon.by_hour.read_hourly import by_hour, calendar_of, hours_of, read_certificates, read_intensity
from assets.carbon.files.carbon_files import read_activities, read_factor_set, states_instruments
from assets.carbon.inventory.account import carbon_of
from assets.carbon.inventory.chp import HEAT_EFFICIENCY, POWER_EFFICIENCY, ChpMethod, chp_shares
from data_quality.contracts.emissions.carbon import CarbonResult
from data_quality.contracts.emissions.hourly_carbon import HourlyScope2
from data_quality.contracts.errors import BadInput
from data_quality.contracts.factor import Basis, FactorSet, GwpSet
from data_quality.contracts.finding import Finding
from data_quality.contracts.time import zone
from data_quality.contracts.units import QUANTUM_DECIMALS
from orchestration.operations.answer import Answer, Table
from orchestration.operations.carbon.carbon_messages import GwpOption, gwp_set, report_findings, scopes_text
from orchestration.operations.operation import STATELESS, Call, Option, operation
from orchestration.operations.options import number

LINES = Table(
    "lines",
    "id | scope: {scope:|outside} | basis | quantity: {amount} | unit | factor: {factor_id} | kg CO2e: {kgco2e:,.1f}",
    # A quantity keeps the zeros of its file; people want 12.5 and not 12.500000.
    amount=lambda line: line["quantity"].normalize(),
)


@operation("carbon", takes=STATELESS, example="--activity activity.csv --factors factors.csv --gwp AR5 --json")
def carbon(
    call: Call,
    activity: Annotated[Path | None, Option("id,activity,quantity,unit,year|start,end")] = None,
    factors: Annotated[list[Path] | None, Option("Factor set (CSV); several add up.")] = None,
    gwp: GwpOption = None,
    latest: Annotated[bool, Option("Where a time has no factor yet, take the last there is, and say so.")] = False,
    hourly_load: Annotated[Path | None, Option("Energy bought: timestamp,kwh.")] = None,
    hourly_factors: Annotated[Path | None, Option("Grid intensity: timestamp,gco2_per_kwh.")] = None,
    certificates: Annotated[Path | None, Option("certificate_id,timestamp,kwh[,market,…].")] = None,
    market: Annotated[str, Option("Market that the consumption is in.")] = "",
    tz: Annotated[str, Option("Zone of times without offset (IANA).")] = "",
) -> Answer:
    """Account for activities with factor sets, or for a load by the hour."""
    sets = [read_factor_set(path) for path in factors or []]
    if hourly_load is not None:
        if activity is not None:
            raise BadInput("give --activity or --hourly-load, not both", reason="bad_option")
        return hourly_answer(
            call, hourly_load, hourly_factors, certificates, sets, gwp=gwp_set(gwp), market=market, time_zone=tz
        )
    if hourly_factors is not None or certificates is not None:
        raise BadInput("--hourly-factors and --certificates go with --hourly-load", reason="bad_option")
    if activity is None or not sets:
        raise BadInput("carbon needs --activity FILE and --factors FILE", reason="no_activity")
    result = carbon_of(
        read_activities(activity),
        [row for each in sets for row in each.factors],
        gwp=gwp_set(gwp),
        states_instruments=states_instruments(activity),
        latest=latest,
    )
    return _answer(result, sets, call)


def _answer(result: CarbonResult, sets: list[FactorSet], call: Call) -> Answer:
    report_findings(call, result.findings)
    found = {
        **result.model_dump(exclude={"lines"}),
        "gwp_set": result.gwp_set or None,
        "lines": [{"id": line.line_id, **line.model_dump(exclude={"line_id"})} for line in result.lines],
        "factor_sets": [{"path": each.path, "sha256": each.sha256, "rows": len(each.factors)} for each in sets],
    }
    return Answer(found, LINES, scopes_text(result))


@operation("carbon chp", takes=STATELESS, example="--fuel-kgco2e 100000 --heat-kwh 250000 --power-kwh 150000 --json")
def chp(
    call: Call,
    fuel_kgco2e: Annotated[str, Option("Emissions of the fuel that the plant burnt.")],
    heat_kwh: Annotated[str, Option("Heat that it delivered.")],
    power_kwh: Annotated[str, Option("Electricity that it delivered.")],
    method: Annotated[ChpMethod, Option("How to divide.")] = ChpMethod.EFFICIENCY,
    heat_efficiency: Annotated[str, Option("Of making the heat apart.")] = str(HEAT_EFFICIENCY),
    power_efficiency: Annotated[str, Option("Of making the power apart.")] = str(POWER_EFFICIENCY),
) -> Answer:
    """Divide a plant's emissions between heat and power: factors for those who buy either."""
    found = chp_shares(
        number(fuel_kgco2e, "--fuel-kgco2e"),
        number(heat_kwh, "--heat-kwh"),
        number(power_kwh, "--power-kwh"),
        method=method,
        heat_efficiency=number(heat_efficiency, "--heat-efficiency"),
        power_efficiency=number(power_efficiency, "--power-efficiency"),
    )
    rows = [
        ("heat", found.heat_kgco2e, found.heat_kgco2e_per_kwh),
        ("power", found.power_kgco2e, found.power_kgco2e_per_kwh),
    ]
    return Answer(found, Table(rows, "of: {0} | kgCO2e: {1:,.3f} | kgCO2e/kWh: {2:,.6f}"))


if TYPE_CHECKING:
    from assets.bills.engine.bill_load import Load


def hourly_answer(
    call: Call,
    load_file: Path,
    factors_file: Path | None,
    certificates_file: Path | None,
    sets: Sequence[FactorSet],
    *,
    gwp: GwpSet | None,
    market: str,
    time_zone: str,
) -> Answer:
    """Both methods of the load. The sets may hold an annual factor (location) and a residual mix for `electricity`."""
    from orchestration.operations.bills.bill import load_with_warnings

    if factors_file is None:
        raise BadInput("--hourly-load needs --hourly-factors FILE", reason="no_factor")
    load = load_with_warnings(call, load_file, time_zone=time_zone or None)
    slots, findings = _slots(load, load_file)
    hours = hours_of(slots.items())
    rows = [row for each in sets for row in each.factors]
    local = zone(time_zone or _calendar(load_file))
    intensity = read_intensity(factors_file, time_zone=time_zone)
    by = by_hour(slots, timedelta(minutes=load.step_minutes), intensity)
    certificates = read_certificates(certificates_file, time_zone=time_zone) if certificates_file else ()
    residual, annual = (
        annual_factors(rows, basis, hours, local, region=market, gwp=gwp) for basis in (Basis.RESIDUAL, Basis.LOCATION)
    )
    try:
        found = hourly_scope2(
            hours,
            by.weighed,
            certificates=certificates,
            market=market,
            residual_kgco2e_per_kwh=residual,
            annual_kgco2e_per_kwh=annual,
            mean_kgco2e_per_kwh=by.mean,
        )
    except BadInput as fault:
        raise BadInput(
            f"{fault.message} (its factors are for {intensity.step // timedelta(minutes=1)} minutes each)",
            file=str(factors_file),
            reason=fault.reason,
        ) from fault
    findings += found.findings
    if rows and annual is None:
        message = (
            "the factor sets have no location-based factor of 'electricity' per unit of energy: there is no annual "
            "method to compare with"
        )
        findings.append(Finding(code="no_annual_factor", message=message))
    report_findings(call, findings)
    return _hourly_tables(found, findings, len(slots) / load.size)


def _hourly_tables(found: HourlyScope2, findings: Sequence[Finding], coverage: float) -> Answer:
    hourly = found.model_dump(exclude={"findings"})
    both = (("location", found.location_hourly_kgco2e), ("market", found.market_hourly_kgco2e))
    data = {
        # Bought electricity has none; the key belongs to every answer of `carbon`.
        "scope1_kgco2e": Decimal(0),
        "scope2_location_kgco2e": found.location_hourly_kgco2e,
        "scope2_market_kgco2e": found.market_hourly_kgco2e,
        "lines": [_line(basis, found.load_kwh, kgco2e) for basis, kgco2e in both],
        "hourly": hourly,
        "coverage": coverage,
        "findings": findings,
    }
    rows = [(name, value) for name, value in hourly.items() if value is not None]
    return Answer(data, Table(rows, "figure: {0} | value: {value}", value=_figure))


def _figure(row: tuple[str, object]) -> str:
    return f"{row[1]:,.6f}" if isinstance(row[1], Decimal) else str(row[1])


def _calendar(load_file: Path) -> str:
    """The zone whose days decide which annual factor holds, where none is named: that of the file's own offsets."""
    from assets.bills.documents.read_load import zone_of

    try:
        return zone_of(load_file) or "UTC"
    except BadInput as fault:
        if fault.reason != "no_zone":
            raise
        return calendar_of(load_file)


def _line(basis: str, kwh: Decimal, kgco2e: Decimal) -> dict[str, object]:
    return {
        "id": "load", "scope": 2, "basis": basis, "quantity": kwh, "unit": "kWh", "factor_id": "hourly",
        "kgco2e": kgco2e,
    }  # fmt: skip


def _slots(load: "Load", path: Path) -> tuple[dict[datetime, Decimal], list[Finding]]:
    """Energy bought by slot, and what is to be said of gaps and of energy fed in."""
    # Slots must fill an hour whole: factors and certificates are held against it hour by hour.
    if load.unit != "kwh" or 60 % load.step_minutes:
        raise BadInput("expected energy in kWh of an hour or less", file=str(path), reason="wrong_unit")
    step = timedelta(minutes=load.step_minutes)
    start = load.start_utc.astimezone(UTC)
    # Net of the plant behind the meter: what it gave was never bought, so it is no Scope 2.
    bought = load.imported(is_gross=False)
    values = {
        start + number * step: Decimal(int(quanta)).scaleb(-QUANTUM_DECIMALS)
        for number, (quanta, present) in enumerate(zip(bought.tolist(), load.is_present.tolist(), strict=True))
        if present
    }
    findings = []
    share = len(values) / load.size
    if share < 1:
        findings.append(
            Finding(
                code="coverage",
                message=f"the load covers {share:.2%} of its time; figures are of that, not scaled up",
                facts={"coverage": share},
            )
        )
    # Scope 2 counts what is bought; selling some back takes nothing off it.
    exported = int(load.exported(is_gross=False).sum())
    if exported:
        kwh = Decimal(exported).scaleb(-QUANTUM_DECIMALS).normalize()
        findings.append(
            Finding(
                code="not_counted_exported",
                message=f"{kwh:f} kWh are fed in: they do not net Scope 2",
                severity="info",
                facts={"kwh": float(kwh)},
            )
        )
    return values, findings
