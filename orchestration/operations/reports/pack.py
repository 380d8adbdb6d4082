"""`meterloom pack`: the evidence pack of a report."""

from pathlib import Path
from typing import Annotated, Literal

from orchestration.operations.answer import Answer
from orchestration.operations.operation import READS_AND_ACTS, Argument, Call, Option, operation
from orchestration.operations.signing import pack_signer


@operation("pack", takes=READS_AND_ACTS, example="enpi_quarter/factory/2025-Q1@1 --as dirk")
def pack(
    call: Call,
    report: Annotated[str, Argument("ID of 'reports list'; newest without @.", metavar="REPORT")],
    out: Annotated[Path | None, Option("The file.", show_default="reports/packs/…")] = None,
    inputs: Annotated[Literal["full", "digests"], Option("The readings themselves, or their digests.")] = "full",
) -> Answer:
    """Seal a revision with its traces and what they rest on, so that anybody can check it offline."""
    from assets.stores.published.publications import PublicationStore
    from assets.stores.sign import fingerprint
    from reports.evidence.manifest import pack_file
    from reports.evidence.pack import PackMaker
    from reports.lifecycle.changes import parse_revision

    project = call.project
    revision = parse_revision(report, project.reports, as_of_utc=call.as_of_utc)
    signer, name = pack_signer(call)
    maker = PackMaker(
        reports=project.reports,
        publications=PublicationStore(project.store),
        lake=project.lake,
        definitions=call.sources.definitions,
        bills_dir=project.project.data_dir / "bills",
        people=project.names,
    )
    made = maker.make(
        revision,
        out or pack_file(project.project.reports_dir, revision.report_id, revision.revision),
        signer=signer,
        signer_name=name,
        policy=inputs,
        clock=call.clock,
    )
    result = {
        **made.model_dump(),
        "report": f"{revision.report_id}@{revision.revision}",
        "inputs": inputs,
        "fingerprint": fingerprint(made.public_key),
        "problems": [],
    }
    text = (
        f"{made.path}: {made.files} files, {made.bytes:,} bytes, number {made.position} of its site, "
        f"signed by {name} ({fingerprint(made.public_key)})"
    )
    return Answer(result, text=text)
