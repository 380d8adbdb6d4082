"""`meterloom factors`: public factor tables as factor sets; the sets that a project has recorded."""

from pathlib import Path
from typing import Annotated, Any, Literal

from assets.carbon.files.carbon_files import read_factor_set, write_factor_set
from assets.carbon.files.public_tables import import_table
from data_quality.contracts.errors import BadInput
from data_quality.contracts.factor import HELD, FactorSet, GwpSet, StoredFactor
from data_quality.contracts.people import Role
from orchestration.operations.answer import Answer, Table
from orchestration.operations.carbon.carbon_messages import GwpOption, gwp_set
from orchestration.operations.operation import ACTS, STATELESS, Argument, Call, Option, Written, operation
from orchestration.operations.options import day_or_none

FileArgument = Annotated[Path, Argument("The table.", metavar="FILE")]
TenantOption = Annotated[str, Option("Site that the factors are for; none: all sites.")]


def amount(row: dict[str, Any]) -> str:
    """Kilograms per unit of a listed factor, or why it holds no longer."""
    value = row["kg_co2e_per_unit"] if row["kg_co2e_per_unit"] is not None else row["kg_per_unit"]
    return f"withdrawn: {row['withdrawn']}" if "withdrawn" in row else f"{value:f} {row['gas']}".strip()


FACTORS = Table(
    "factors",
    "recorded: {recorded_at_utc:%Y-%m-%d %H:%M:%S}Z | for: {tenant:|all} | factor: {factor_id} | basis | "
    "kg/unit: {amount} | unit | from: {valid_from} | to: {valid_to}",
    empty="no recorded factor fits; those of a site file: meterloom tariff carriers --site SITE",
    amount=amount,
)


@operation("factors import", takes=STATELESS, example="uk_ghg_2024.csv --kind uk_ghg --out uk.csv --json")
def factors_import(
    call: Call,
    file: FileArgument,
    kind: Annotated[Literal["uk_ghg", "egrid", "ember", "gwp"], Option("Which public table.")],
    out: Annotated[Path | None, Written("Write here.", show_default="FILE's name here")] = None,
) -> Answer:
    """Convert a public factor table to a factor set that `carbon --factors` reads."""
    factors, rows = import_table(file, kind)
    path = out or Path(f"{file.name.split('.')[0]}.factors.csv")
    # By file and not by name: through a link the table would be overwritten just the same.
    if path.exists() and file.exists() and path.samefile(file):
        raise BadInput("--out names the table itself", file=str(path), reason="bad_option")
    try:
        write_factor_set(factors, path)
    except OSError as error:
        raise BadInput(f"cannot be written: {error.strerror}", file=str(path), reason="no_file") from error
    return Answer(
        {"rows": rows, "sha256": factors.sha256, "path": path, "factors": len(factors.factors), "kind": kind},
        text=f"wrote {path}: {len(factors.factors)} factors of {rows} rows; sha256 of the table {factors.sha256}",
    )


@operation("factors add", takes=ACTS, example="uk.csv --rename 'UK electricity=electricity' --tenant plant")
def factors_add(
    call: Call,
    file: FileArgument,
    tenant: TenantOption = "",
    region: Annotated[str, Option("Only rows of this region.")] = "",
    year: Annotated[int | None, Option("Only rows that begin in this year.")] = None,
    rename: Annotated[list[str] | None, Option("ACTIVITY=NAME; only renamed rows are taken then.")] = None,
    gwp: GwpOption = None,
) -> Answer:
    """Record a factor set; what was recorded before stays and is superseded from now on."""
    from assets.stores.ledgers.factor_ledger import FactorStore

    if tenant:
        call.project.site(tenant)
    factors = _weighed(call, _selected(read_factor_set(file), region, year, _renames(rename)), gwp_set(gwp))
    if not tenant:
        for name in dict.fromkeys(row.factor_id for row in factors.factors if row.basis in HELD):
            call.say(f"{name} is a certificate or contract of no site and counts nowhere; record it with --tenant SITE")
    with call.project.store.together():
        done = FactorStore(call.project.store).add(factors, clock=call.clock, tenant=tenant)
        _sign(call, "factors add", done.set_id)
    return Answer(
        {**done._asdict(), "sha256": factors.sha256},
        text=f"recorded {done.new_rows} factors, {done.unchanged_rows} were known already",
    )


@operation("factors withdraw", takes=ACTS, example="'grid 2024' --reason 'the source took it back'")
def factors_withdraw(
    call: Call,
    factor_id: Annotated[str, Argument("Which; 'factors list' shows them.", metavar="FACTOR_ID")],
    reason: Annotated[str, Option("Why; restatements say it.")],
    tenant: TenantOption = "",
    start: Annotated[str | None, Option("First local date; none: all its days.", "--from")] = None,
    end: Annotated[str | None, Option("Local date after the last.", "--to")] = None,
) -> Answer:
    """Let a recorded factor hold no longer, wholly or on some days; what was known before stays as it was."""
    from assets.stores.ledgers.factor_ledger import FactorStore

    if not reason.strip():
        raise BadInput("--reason is empty; expected why the factor is withdrawn", reason="no_reason")
    if tenant:
        call.project.site(tenant)
    with call.project.store.together():
        done = FactorStore(call.project.store).withdraw(
            factor_id, reason=reason.strip(), clock=call.clock, tenant=tenant,
            start=day_or_none(start, "--from"), end=day_or_none(end, "--to"),
        )  # fmt: skip
        _sign(call, "factors withdraw", done.set_id)
    return Answer(
        {"set_id": done.set_id, "withdrawn_rows": done.new_rows, "recorded_at_utc": done.recorded_at_utc},
        text=f"withdrew {factor_id}: {done.new_rows} rows",
    )


def _sign(call: Call, kind: str, set_id: str) -> None:
    """A factor needs no person; where --as names one, or who asks is signed in, they sign the rows."""
    from orchestration.operations.signing import actor

    if call.has_actor:
        actor(call, None if call.is_signed_in else Role.ANALYST).sign(kind, set_id)


@operation("factors list", example="--on 2025-06-01 --json")
def factors_list(
    call: Call,
    tenant: Annotated[str | None, Option("For this site and for all; none: everything.", "--site", "--tenant")] = None,
    activity: Annotated[str, Option("Whose name holds this.")] = "",
    on: Annotated[str | None, Option("In force on this date.")] = None,
    history: Annotated[bool, Option("Superseded rows too.")] = False,
) -> Answer:
    """List recorded factors, now or --as-of a time."""
    from assets.stores.ledgers.factor_ledger import FactorStore

    store = FactorStore(call.project.store)
    found = store.history(tenant=tenant) if history else store.known(as_of_utc=call.as_of_utc, tenant=tenant)
    day = day_or_none(on, "--on")
    kept = [
        each
        for each in found
        if activity.casefold() in each.factor.activity.casefold()
        and (day is None or each.factor.valid_from <= day < each.factor.valid_to)
    ]
    return Answer({"factors": [_factor_row(each) for each in kept]}, FACTORS)


def _selected(found: FactorSet, region: str, year: int | None, renames: dict[str, str]) -> FactorSet:
    rows = [
        row.model_copy(update={"activity": renames.get(row.activity, row.activity)})
        for row in found.factors
        if (not region or row.region.casefold() == region.casefold())
        and (year is None or row.valid_from.year == year)
        and (not renames or row.activity in renames)
    ]
    if not rows:
        raise BadInput(
            "no row is left of the set by --region, --year and --rename", file=found.path, reason="empty_file"
        )
    return found.model_copy(update={"factors": tuple(rows)})


def _weighed(call: Call, found: FactorSet, gwp: GwpSet | None) -> FactorSet:
    """The rows, those of gases without a GWP set with the one that is named; said where none is."""
    # A factor in kg of a gas becomes CO2e only with a GWP set, and the sets differ by a tenth and more for methane.
    silent = [row for row in found.factors if row.kg_per_unit is not None and row.gwp_set is None]
    if silent and gwp is None:
        call.say(
            f"{silent[0].where}: gas {silent[0].gas} of {silent[0].activity!r} names no GWP set; until one is recorded "
            "(--gwp) each footprint must name it"
        )
    if gwp is None:
        return found
    rows = [row.model_copy(update={"gwp_set": gwp}) if row in silent else row for row in found.factors]
    return found.model_copy(update={"factors": tuple(rows)})


def _renames(given: list[str] | None) -> dict[str, str]:
    found = {}
    for text in given or []:
        # From the right: an activity of a public table may hold an equals sign.
        activity, separator, name = text.rpartition("=")
        if not separator or not activity or not name:
            raise BadInput(f"--rename: expected ACTIVITY=NAME, got {text!r}", reason="bad_option")
        found[activity] = name
    return found


def _factor_row(each: StoredFactor) -> dict[str, Any]:
    fields = each.factor.model_dump(exclude={"file", "line"})
    return {**fields, "tenant": each.tenant, "set_id": each.set_id, "recorded_at_utc": each.recorded_at_utc} | (
        {"withdrawn": each.withdrawn} if each.withdrawn else {}
    )
