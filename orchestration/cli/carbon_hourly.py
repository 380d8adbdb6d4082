"""`meterloom carbon --hourly-load`: Scope 2 by the hour beside the annual method."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING

from assets.carbon.annual import annual_factor
from assets.carbon.hourly import hourly_scope2
from assets.carbon.read_hourly import hours_of, read_certificates, read_hourly_factors
from data_quality.contracts.errors import BadInput
from data_quality.contracts.factor import Basis, FactorSet, GwpSet
from data_quality.contracts.finding import Finding
from data_quality.contracts.time import zone
from data_quality.contracts.units import QUANTUM_DECIMALS
from orchestration.cli.frame import Answer, Call

if TYPE_CHECKING:
    from assets.bills.load import Load


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
    from assets.bills.read_load import read_load

    if factors_file is None:
        raise BadInput("--hourly-load needs --hourly-factors FILE", reason="no_factor")
    file = read_load(load_file, time_zone=time_zone or None)
    for warning in file.warnings:
        call.say(warning)
    hours, findings = _hours(file.load, load_file)
    rows = [row for each in sets for row in each.factors]
    local = zone(time_zone or "UTC")
    start, end = (hour.astimezone(local).date() for hour in (min(hours), max(hours)))
    found = hourly_scope2(
        hours,
        read_hourly_factors(factors_file, time_zone=time_zone),
        certificates=read_certificates(certificates_file, time_zone=time_zone) if certificates_file else (),
        market=market,
        residual_kgco2e_per_kwh=annual_factor(rows, Basis.RESIDUAL, start, end, region=market, gwp=gwp),
        annual_kgco2e_per_kwh=annual_factor(rows, Basis.LOCATION, start, end, region=market, gwp=gwp),
    )
    findings += found.findings
    for finding in findings:
        call.say(finding.message)
    hourly = found.model_dump(exclude={"findings"})
    data = {
        "scope1_kgco2e": Decimal(0),
        "scope2_location_kgco2e": found.location_hourly_kgco2e,
        "scope2_market_kgco2e": found.market_hourly_kgco2e,
        "lines": [
            _line(basis, found.load_kwh, kgco2e)
            for basis, kgco2e in (
                ("location", found.location_hourly_kgco2e),
                ("market", found.market_hourly_kgco2e),
            )
        ],
        "hourly": hourly,
        "findings": findings,
    }
    rows_shown = [
        [name, f"{value:,.6f}" if isinstance(value, Decimal) else str(value)]
        for name, value in hourly.items()
        if value is not None
    ]
    return Answer(data=data, columns=["figure", "value"], rows=rows_shown)


def _line(basis: str, kwh: Decimal, kgco2e: Decimal) -> dict[str, object]:
    return {
        "id": "load", "scope": 2, "basis": basis, "quantity": kwh, "unit": "kWh", "factor_id": "hourly",
        "kgco2e": kgco2e,
    }  # fmt: skip


def _hours(load: "Load", path: Path) -> tuple[dict[datetime, Decimal], list[Finding]]:
    """Energy bought by UTC hour, and what is to be said of gaps and of energy fed in."""
    if load.unit != "kwh" or 60 % load.step_minutes:
        raise BadInput("expected energy in kWh of an hour or less", file=str(path), reason="wrong_unit")
    step = timedelta(minutes=load.step_minutes)
    start = load.start_utc.astimezone(UTC)
    bought = load.imported(is_gross=False)
    values = [
        (start + number * step, Decimal(int(quanta)).scaleb(-QUANTUM_DECIMALS))
        for number, (quanta, present) in enumerate(zip(bought.tolist(), load.is_present.tolist(), strict=True))
        if present
    ]
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
    return hours_of(values), findings
