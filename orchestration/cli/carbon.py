"""`meterloom carbon`: Scope 1 and 2 of activities, hourly Scope 2, a site's footprint, and what a change restated."""

from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Any

import typer

from assets.carbon.account import carbon_of
from assets.carbon.read import read_activities, read_factor_set, states_instruments
from data_quality.contracts.carbon import CarbonLine, CarbonResult
from data_quality.contracts.errors import BadInput
from data_quality.contracts.factor import FactorSet, GwpSet
from data_quality.contracts.finding import Finding
from data_quality.contracts.footprint import Footprint, Restatement
from data_quality.contracts.site import Site
from data_quality.contracts.time import Period, parse_instant, parse_period
from orchestration.cli.carbon_hourly import hourly_answer
from orchestration.cli.frame import Answer, Call, command, group_command

SiteOption = Annotated[str, typer.Option("--site", help="Which site.")]
PeriodOption = Annotated[str, typer.Option("--period", help="2025, 2025-Q1, 2025-03 or START/END.")]
GwpOption = Annotated[str | None, typer.Option("--gwp", help="AR4, AR5 or AR6: of gases that name no GWP set.")]
SupplierOption = Annotated[str, typer.Option("--supplier", help="Whose supplier rates of the store may be used.")]

MAX_ALIKE = 3


def register(app: typer.Typer) -> None:
    """Put the commands on the application."""
    group = typer.Typer(help="Carbon: Scope 1 and 2 of activities, by the hour, of a site; restatements.")
    app.add_typer(group, name="carbon")
    _register_carbon(group)
    command(group, "footprint", example="meterloom carbon footprint --site factory --period 2025 --json")(footprint)
    command(
        group,
        "restate",
        example="meterloom carbon restate --site factory --period 2025 --from 2026-01-10T00:00:00Z --to "
        "2026-02-01T00:00:00Z",
    )(restatement)


def _register_carbon(group: typer.Typer) -> None:
    @group_command(group, example="meterloom carbon --activity activity.csv --factors factors.csv --gwp AR5 --json")
    def carbon(
        call: Call,
        activity: Annotated[
            Path | None, typer.Option("--activity", help="id,activity,quantity,unit,year|start,end")
        ] = None,
        factors: Annotated[
            list[Path] | None, typer.Option("--factors", help="Factor set (CSV); several add up.")
        ] = None,
        gwp: GwpOption = None,
        hourly_load: Annotated[Path | None, typer.Option("--hourly-load", help="Energy bought: timestamp,kwh.")] = None,
        hourly_factors: Annotated[
            Path | None, typer.Option("--hourly-factors", help="Grid intensity: timestamp,gco2_per_kwh.")
        ] = None,
        certificates: Annotated[
            Path | None, typer.Option("--certificates", help="certificate_id,timestamp,kwh[,market,…].")
        ] = None,
        market: Annotated[str, typer.Option("--market", help="Market that the consumption is in.")] = "",
        tz: Annotated[str, typer.Option("--tz", help="Zone of times without offset (IANA).")] = "",
    ) -> Answer:
        """Account for activities with factor sets, or for a load by the hour."""
        sets = [read_factor_set(path) for path in factors or []]
        if hourly_load is not None:
            if activity is not None:
                raise BadInput("give --activity or --hourly-load, not both", reason="bad_option")
            return hourly_answer(
                call, hourly_load, hourly_factors, certificates, sets, gwp=_gwp(gwp), market=market, time_zone=tz
            )
        if hourly_factors is not None or certificates is not None:
            raise BadInput("--hourly-factors and --certificates go with --hourly-load", reason="bad_option")
        if activity is None or not sets:
            raise BadInput("carbon needs --activity FILE and --factors FILE", reason="no_activity")
        result = carbon_of(
            read_activities(activity),
            [row for each in sets for row in each.factors],
            gwp=_gwp(gwp),
            states_instruments=states_instruments(activity),
        )
        return _answer(result, sets, call)


def footprint(
    call: Call, site: SiteOption, period: PeriodOption, gwp: GwpOption = None, supplier: SupplierOption = ""
) -> Answer:
    """Show a site's Scope 1 and 2 of a period by month, carrier and method, from its readings."""
    known = call.project.site(site)
    span = parse_period(period, known.time_zone)
    found = _footprint(call, known, span, call.as_of_utc, gwp=_gwp(gwp), supplier=supplier)
    _say(call, found.findings)
    rows = [
        [
            f"{line.month:%Y-%m}", line.carrier.value, line.method, _shown(line.kwh, 3), line.factor_id or "-",
            _shown(line.kgco2e, 3), f"{line.coverage:.1%}",
        ]
        for line in found.lines
    ]  # fmt: skip
    return Answer(
        data=found.model_dump(),
        columns=["month", "carrier", "method", "kWh", "factor", "kgCO2e", "coverage"],
        rows=rows,
        text=_site_totals(found),
    )


def restatement(
    call: Call,
    site: SiteOption,
    period: PeriodOption,
    start: Annotated[str, typer.Option("--from", help="As known at this time.")],
    end: Annotated[str, typer.Option("--to", help="As known at this time.")],
    gwp: GwpOption = None,
    supplier: SupplierOption = "",
) -> Answer:
    """Compare a footprint as known at two times: each line that differs, old, new and why."""
    from assets.carbon.restate import restate

    known = call.project.site(site)
    span = parse_period(period, known.time_zone)
    from_utc, to_utc = parse_instant(start), parse_instant(end)
    if to_utc <= from_utc:
        raise BadInput(f"--to {end} is not after --from {start}", reason="bad_period")
    views = [_footprint(call, known, span, moment, gwp=_gwp(gwp), supplier=supplier) for moment in (from_utc, to_utc)]
    found = restate(*views, from_utc=from_utc, to_utc=to_utc)
    return Answer(
        data={**found.model_dump(exclude={"old", "new"}), "old": _totals(found.old), "new": _totals(found.new)},
        columns=["month", "carrier", "method", "old kgCO2e", "new kgCO2e", "delta", "cause"],
        rows=[
            [
                f"{line.month:%Y-%m}", line.carrier.value, line.method, _shown(line.old_kgco2e, 3),
                _shown(line.new_kgco2e, 3), _shown(line.delta_kgco2e, 3), "; ".join(line.causes),
            ]
            for line in found.lines
        ],
        text=_restated_text(found),
    )  # fmt: skip


def _footprint(
    call: Call, site: Site, period: Period, as_of_utc: datetime | None, *, gwp: GwpSet | None, supplier: str
) -> Footprint:
    from assets.carbon.energies import site_energies
    from assets.carbon.footprint import site_footprint
    from assets.carbon.view import factor_view
    from assets.sites.view import site_readings
    from assets.stores.factors import FactorStore

    project = call.project
    stored = FactorStore(project.store).known(as_of_utc=as_of_utc, tenant=site.site_id)
    readings = site_readings(
        project.lake, site, start_utc=period.start_utc, end_utc=period.end_utc, as_of_utc=as_of_utc
    )
    return site_footprint(
        site,
        site_energies(readings, site=site, period=period),
        factor_view(site, stored, as_of_utc=as_of_utc, gwp=gwp, supplier=supplier),
        period=period,
        as_of_utc=as_of_utc,
    )


def _answer(result: CarbonResult, sets: list[FactorSet], call: Call) -> Answer:
    _say(call, result.findings)
    data = {
        "scope1_kgco2e": result.scope1_kgco2e,
        "scope2_location_kgco2e": result.scope2_location_kgco2e,
        "scope2_market_kgco2e": result.scope2_market_kgco2e,
        "outside_scopes_kgco2e": result.outside_scopes_kgco2e,
        "scope1_by_activity_kgco2e": result.scope1_by_activity_kgco2e,
        "scope1_by_gas_kgco2e": result.scope1_by_gas_kgco2e,
        "gwp_set": result.gwp_set or None,
        "lines": [_line(line) for line in result.lines],
        "findings": result.findings,
        "factor_sets": [{"path": each.path, "sha256": each.sha256, "rows": len(each.factors)} for each in sets],
    }
    rows = [
        [
            line.line_id, str(line.scope) if line.scope else "outside", line.basis, f"{line.quantity.normalize():f}",
            line.unit, line.factor_id, _shown(line.kgco2e, 3),
        ]
        for line in result.lines
    ]  # fmt: skip
    totals = [("Scope 1", result.scope1_kgco2e), ("Scope 2, location-based", result.scope2_location_kgco2e)]
    totals += [("Scope 2, market-based", result.scope2_market_kgco2e)]
    return Answer(
        data=data,
        columns=["id", "scope", "basis", "quantity", "unit", "factor", "kgCO2e"],
        rows=rows,
        text="\n".join(f"{name}: {_shown(value, 3)} kgCO2e" for name, value in totals),
    )


def _line(line: CarbonLine) -> dict[str, Any]:
    fields = line.model_dump(exclude={"line_id"})
    return {"id": line.line_id, **fields}


def _say(call: Call, findings: Sequence[Finding]) -> None:
    """Findings as sentences, of each kind three at most: forty lines that say the same hide the forty-first."""
    for code in dict.fromkeys(finding.code for finding in findings):
        alike = list(dict.fromkeys(finding.message for finding in findings if finding.code == code))
        for message in alike[:MAX_ALIKE]:
            call.say(message)
        if len(alike) > MAX_ALIKE:
            call.say(f"and {len(alike) - MAX_ALIKE} more of {code}")


def _gwp(text: str | None) -> GwpSet | None:
    if text is None:
        return None
    try:
        return GwpSet(text.upper())
    except ValueError as error:
        raise BadInput(f"--gwp: expected AR4, AR5 or AR6, got {text!r}", reason="bad_gwp") from error


def _shown(value: Decimal | None, decimals: int) -> str:
    return "-" if value is None else f"{value:,.{decimals}f}"


def _totals(found: Footprint) -> dict[str, Any]:
    keys = ("as_of_utc", "scope1_kgco2e", "scope2_location_kgco2e", "scope2_market_kgco2e", "coverage", "findings")
    return {key: getattr(found, key) for key in keys}


def _site_totals(found: Footprint) -> str:
    return "\n".join(
        f"{name}: {_shown(value, 3)} kgCO2e"
        for name, value in (
            ("Scope 1", found.scope1_kgco2e),
            ("Scope 2, location-based", found.scope2_location_kgco2e),
            ("Scope 2, market-based", found.scope2_market_kgco2e),
        )
    )


def _restated_text(found: Restatement) -> str:
    if not found.lines:
        return "nothing changed"
    return f"as known at {found.from_utc:%Y-%m-%d %H:%M:%S}Z and at {found.to_utc:%Y-%m-%d %H:%M:%S}Z"
