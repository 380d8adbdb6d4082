"""`meterloom carbon --hourly-load`: Scope 2 by the hour beside the annual method."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING

from assets.carbon.by_hour.hourly_scope2 import annual_factors, hourly_scope2
from assets.carbon.by_hour.read_hourly import by_hour, calendar_of, hours_of, read_certificates, read_intensity
from data_quality.contracts.emissions.hourly_carbon import HourlyScope2
from data_quality.contracts.errors import BadInput
from data_quality.contracts.factor import Basis, FactorSet, GwpSet
from data_quality.contracts.finding import Finding
from data_quality.contracts.time import zone
from data_quality.contracts.units import QUANTUM_DECIMALS
from orchestration.operations.answer import Answer, Table
from orchestration.operations.carbon.carbon_say import say_findings
from orchestration.operations.operation import Call

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
    from orchestration.operations.bills.bill import load_said

    if factors_file is None:
        raise BadInput("--hourly-load needs --hourly-factors FILE", reason="no_factor")
    load = load_said(call, load_file, time_zone=time_zone or None)
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
    findings += [*found.findings, *([_no_annual()] if rows and annual is None else [])]
    say_findings(call, findings)
    return _answer(found, findings, len(slots) / load.size)


def _answer(found: HourlyScope2, findings: Sequence[Finding], coverage: float) -> Answer:
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


def _no_annual() -> Finding:
    return Finding(
        code="no_annual_factor",
        message="the factor sets have no location-based factor of 'electricity' per unit of energy: there is no annual "
        "method to compare with",
    )


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
