"""`meterloom carbon`: Scope 1 and 2 of activities; the commands beside it."""

from pathlib import Path
from typing import Annotated, Any

import typer

from assets.carbon.account import carbon_of
from assets.carbon.read import read_activities, read_factor_set, states_instruments
from data_quality.contracts.carbon import CarbonLine, CarbonResult
from data_quality.contracts.errors import BadInput
from data_quality.contracts.factor import FactorSet
from orchestration.cli.carbon_chp import chp
from orchestration.cli.carbon_hourly import hourly_answer
from orchestration.cli.carbon_say import GwpOption, gwp_set, say_findings, shown
from orchestration.cli.carbon_site import footprint, restatement
from orchestration.cli.frame import Answer, Call, command, group_command


def register(app: typer.Typer) -> None:
    """Put the commands on the application."""
    group = typer.Typer(help="Carbon: Scope 1 and 2 of activities, by the hour, of a site; restatements.")
    app.add_typer(group, name="carbon")
    _register_carbon(group)
    command(
        group, "chp", example="meterloom carbon chp --fuel-kgco2e 100000 --heat-kwh 250000 --power-kwh 150000 --json"
    )(chp)
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
        latest: Annotated[
            bool, typer.Option("--latest", help="Where a time has no factor yet, take the last there is, and say so.")
        ] = False,
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
    say_findings(call, result.findings)
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
            line.unit, line.factor_id, shown(line.kgco2e, 3),
        ]
        for line in result.lines
    ]  # fmt: skip
    totals = [("Scope 1", result.scope1_kgco2e), ("Scope 2, location-based", result.scope2_location_kgco2e)]
    totals += [("Scope 2, market-based", result.scope2_market_kgco2e)]
    return Answer(
        data=data,
        columns=["id", "scope", "basis", "quantity", "unit", "factor", "kgCO2e"],
        rows=rows,
        text="\n".join(f"{name}: {shown(value, 3)} kgCO2e" for name, value in totals),
    )


def _line(line: CarbonLine) -> dict[str, Any]:
    fields = line.model_dump(exclude={"line_id"})
    return {"id": line.line_id, **fields}
