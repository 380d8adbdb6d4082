"""`meterloom baseline adjust` and `adjustments`: the ledger of routine and non-routine adjustments."""

import hashlib
from pathlib import Path
from typing import Annotated, Any

from pydantic import ValidationError

from assets.stores.ledgers.adjustments import AdjustmentStore
from data_quality.contracts.baselines.baseline import Adjustment, AdjustmentKind, AdjustmentRecord
from data_quality.contracts.errors import BadInput
from data_quality.contracts.model_faults import sentence_of
from data_quality.contracts.people import Role
from data_quality.contracts.time import parse_day
from orchestration.operations.answer import Answer, Table, filled
from orchestration.operations.baselines.baseline_line import line, one
from orchestration.operations.operation import READS_AND_ACTS, Argument, Call, Option, operation
from orchestration.operations.options import OnlySiteOption, number_or_none
from orchestration.operations.signing import Actor, actor

ADJUSTMENTS = Table(
    "adjustments",
    "id | baseline: {baseline_id} | status | from: {start} | to: {end} | magnitude: {size} | reason | proposed_by | "
    "approved by: {approved_by:|-}",
    size=lambda each: filled("{percent:+f} %" if each["kwh_per_day"] is None else "{kwh_per_day:+f} kWh/day", each),
)


@operation(
    "baseline adjust",
    takes=READS_AND_ACTS,
    example="factory/hvac/enb --from 2025-05-01 --to 2026-01-01 --kwh-per-day 120 "
    '--reason "second shift in hall 2" --method submeter --evidence "work order 4711" --as ben',
)
def adjust(
    call: Call,
    baseline_id: Annotated[str | None, Argument("site/seu/type", metavar="BASELINE")] = None,
    start: Annotated[str | None, Option("First local day.", "--from")] = None,
    end: Annotated[str | None, Option("First local day after it.", "--to")] = None,
    kwh_per_day: Annotated[str | None, Option("Added to each expected day.")] = None,
    percent: Annotated[str | None, Option("Of the model's expected energy.")] = None,
    reason: Annotated[str, Option("Why; of a decision too.")] = "",
    method: Annotated[str, Option("How the magnitude was found.")] = "",
    evidence: Annotated[str, Option("Text or link.")] = "",
    evidence_file: Annotated[Path | None, Option("Its SHA-256 is kept, not the file.")] = None,
    routine: Annotated[bool, Option("A routine adjustment.")] = False,
    approve: Annotated[str | None, Option("Approve a proposal.", metavar="ID")] = None,
    withdraw: Annotated[str | None, Option("End an adjustment.", metavar="ID")] = None,
) -> Answer:
    """Propose an adjustment of expected energy, approve one as another person, or withdraw one."""
    if approve is not None or withdraw is not None:
        given = [each for each in (baseline_id, start, end, kwh_per_day, percent, approve, withdraw) if each]
        if len(given) > 1:
            raise BadInput(
                "--approve ID and --withdraw ID are given alone, with --reason and --as", reason="bad_request"
            )
        return _decided(call, approve, withdraw, reason)
    if baseline_id is None:
        raise BadInput("baseline adjust needs a BASELINE, --approve ID or --withdraw ID", reason="bad_request")
    sha256 = "" if evidence_file is None else _sha256(evidence_file)
    made = proposal(
        baseline_id=baseline_id,
        kind=(AdjustmentKind.ROUTINE if routine else AdjustmentKind.NON_ROUTINE).value,
        start=parse_day(start or "", "--from"),
        end=parse_day(end or "", "--to"),
        kwh_per_day=number_or_none(kwh_per_day, "--kwh-per-day"),
        percent=number_or_none(percent, "--percent"),
        reason=reason,
        method=method,
        evidence=evidence or (evidence_file.name if evidence_file else ""),
        evidence_sha256=sha256,
    )
    who = actor(call, Role.ANALYST)
    with call.project.store.together():
        record = AdjustmentStore(call.project.store).propose(made, who.person, call.clock)
        return _answer(call, who, record, "proposed; another person's approval puts it in force")


@operation("baseline adjustments", example="--site factory")
def adjustments(
    call: Call,
    baseline_id: Annotated[str | None, Argument("site/seu/type", metavar="[BASELINE]")] = None,
    site: OnlySiteOption = None,
) -> Answer:
    """List the ledger: every adjustment with its status; with --as-of as of then."""
    found = AdjustmentStore(call.project.store).records(site_id=site, baseline_id=baseline_id, as_of_utc=call.as_of_utc)
    return Answer({"adjustments": [adjustment(each) for each in found]}, ADJUSTMENTS)


def proposal(**fields: Any) -> Adjustment:
    """The adjustment of these fields. Raises BadInput with one sentence."""
    try:
        return Adjustment(**fields)
    except ValidationError as fault:
        first = fault.errors()[0]
        where = ".".join(str(part) for part in first["loc"]).replace("_", "-")
        is_empty = first["type"] == "string_too_short"
        message = "expected a text, got nothing" if is_empty else sentence_of(first)
        raise BadInput(f"{f'--{where}: ' if where else ''}{message}", reason="bad_adjustment") from fault


def adjustment(record: AdjustmentRecord) -> dict[str, Any]:
    """An adjustment in JSON: numbers as floats, its life beside them."""
    return {
        "id": record.adjustment_id,
        "status": record.status.value,
        **record.adjustment.model_dump(),
        **record.model_dump(exclude={"adjustment", "adjustment_id", "status"}),
    }


def _decided(call: Call, approve: str | None, withdraw: str | None, reason: str) -> Answer:
    ledger = AdjustmentStore(call.project.store)
    if approve is not None:
        who = actor(call, Role.APPROVER)
        with call.project.store.together():
            return _answer(call, who, ledger.approve(approve, who.person, reason, call.clock), "in force")
    known = ledger.get(withdraw or "")
    # A proposal that nobody approved is taken back by who made it; one in force moves figures, and needs the approver.
    is_own = known.proposed_by == call.known_person().person_id and known.approved_by is None
    who = actor(call, Role.ANALYST if is_own else Role.APPROVER)
    with call.project.store.together():
        return _answer(call, who, ledger.withdraw(known.adjustment_id, who.person, reason, call.clock), "withdrawn")


def _answer(call: Call, who: Actor, record: AdjustmentRecord, what: str) -> Answer:
    stated, status = record.adjustment.model_dump(mode="json"), record.status.value
    # Signed inside the caller's transaction: neither act nor signature may stand without the other.
    who.sign(f"baseline adjust {status}", record.adjustment_id, adjustment=stated, status=status)
    version = one(call, record.adjustment.baseline_id, None)
    return Answer(
        {"baselines": [line(version)], "adjustments": [adjustment(record)]},
        text=f"adjustment {record.adjustment_id} of {record.adjustment.baseline_id}: {what}",
    )


def _sha256(path: Path) -> str:
    if not path.is_file():
        raise BadInput("expected a file", file=str(path), reason="no_such_file")
    return hashlib.sha256(path.read_bytes()).hexdigest()
