"""`meterloom pack|verify`: the evidence pack of a report; a pack as it was sealed, a file as it was signed."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from data_quality.contracts.errors import BadInput
from orchestration.operations.answer import CHECK_FAILED, DONE, Answer
from orchestration.operations.operation import READS_AND_ACTS, STATELESS, Argument, Call, Option, operation
from orchestration.operations.signing import pack_signer

if TYPE_CHECKING:
    from reports.evidence.verify_pack import Verdict
    from reports.exports.export_manifest import CheckedExport


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


@operation("verify", takes=STATELESS, example="enpi_quarter_factory_2025-Q1_r1.zip --people people.yaml")
def verify(
    call: Call,
    pack: Annotated[Path, Argument(metavar="PACK.zip")],
    sample: Annotated[str, Option("Figures to recompute: a number, or all.")] = "20",
    seed: Annotated[int, Option("Chooses the figures.")] = 1,
    people: Annotated[Path | None, Option("People file whose keys must fit.")] = None,
    previous: Annotated[Path | None, Option("The pack before it in its chain.")] = None,
) -> Answer:
    """Check every byte, hash and signature of a pack, make figures again and its files too; or of an exported file.

    Without --people nobody vouches for the signer: anybody can seal a pack with a key of their own.
    """
    from assets.sites.load_sites import load_people
    from orchestration.warehouse.dbt import kpi_definition
    from reports.evidence.manifest import MANIFEST, SIGNATURE
    from reports.evidence.verify_pack import verify_pack
    from reports.exports.export_manifest import manifest_of

    if sample != "all" and not sample.isdigit():
        raise BadInput(f"--sample {sample!r}; expected a number or all", reason="bad_sample")
    if manifest_of(pack).exists():
        return _export(pack, people)
    found = verify_pack(
        pack,
        definition=kpi_definition(),
        sample=None if sample == "all" else int(sample),
        seed=seed,
        people=None if people is None else load_people(people),
        previous=previous,
    )
    lines = [f"{problem.file}: {problem.problem}" for problem in found.problems]
    if {MANIFEST, SIGNATURE} <= {problem.file for problem in found.problems}:
        lines = [
            f"{pack} is no evidence pack: {MANIFEST} and {SIGNATURE} are missing; expected what 'meterloom pack' made"
        ]
    if found.verified:
        lines = [f"{pack} is as it was sealed: {found.files} files, {found.report}, {found.status}"]
        lines.append(_signed(found))
        lines += [f"{found.recomputed} of {found.figures} figures recomputed, all equal"]
    text = "\n".join([*lines, *(f"note: {finding}" for finding in found.findings)])
    return Answer(found, text=text, exit_code=DONE if found.verified else CHECK_FAILED)


def _export(path: Path, people: Path | None) -> Answer:
    """An exported file against the manifest beside it."""
    from assets.sites.load_sites import load_people
    from reports.exports.export_manifest import check_export

    found = check_export(path, None if people is None else load_people(people))
    lines = [f"{problem.file}: {problem.problem}" for problem in found.problems]
    if found.verified:
        lines = [f"{path} is as it was exported: {found.format} of {found.site}", _signed(found)]
    return Answer(found, text="\n".join(lines), exit_code=DONE if found.verified else CHECK_FAILED)


def _signed(found: "Verdict | CheckedExport") -> str:
    if found.is_vouched:
        return f"signed by {found.signer}, {found.fingerprint}, the key that the people file has"
    return (
        f"signed by a key that nobody vouched for, {found.fingerprint}; it calls itself {found.signer!r}: "
        "--people FILE says whose it is"
    )
