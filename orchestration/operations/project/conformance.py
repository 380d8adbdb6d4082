"""`meterloom conformance`: each clause that we say we follow, with the case that shows it, computed on the spot."""

from typing import Annotated

from data_quality.contracts.errors import BadInput
from orchestration.operations.answer import CHECK_FAILED, DONE, Answer, Table
from orchestration.operations.operation import STATELESS, Call, Option, operation

ROWS = Table("rows", "standard | clause | what must be true: {statement} | result | note")


@operation("conformance", takes=STATELESS, example="--standard CalTRACK --json")
def conformance(
    call: Call,
    standard: Annotated[str | None, Option("Only rows whose standard has this in its name, such as CalTRACK.")] = None,
) -> Answer:
    """Print clause, test and result of every rule we follow; exit code 1 where one fails."""
    from ml.conformance.register import all_cases, conformance_rows

    cases = [case for case in all_cases() if standard is None or standard.lower() in case.standard.lower()]
    if not cases:
        known = ", ".join(sorted({case.standard for case in all_cases()}))
        raise BadInput(f"no standard {standard!r}; known are {known}", reason="unknown_standard")
    rows = conformance_rows(cases)
    counts = {result: sum(row.result == result for row in rows) for result in ("pass", "deviation", "fail")}
    text = (
        f"{counts['pass']} pass, {counts['deviation']} deviate for the reason given, {counts['fail']} fail; "
        "a pass is our own case, no certificate"
    )
    return Answer({"rows": rows, "counts": counts}, ROWS, text, CHECK_FAILED if counts["fail"] else DONE)
