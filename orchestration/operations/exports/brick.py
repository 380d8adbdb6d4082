"""`meterloom export brick`: a site as Brick graph, with a signed manifest beside the file."""

from pathlib import Path
from typing import Annotated, Any

from orchestration.operations.answer import CHECK_FAILED, DONE, Answer, Table
from orchestration.operations.operation import ACTS, Call, Written, operation
from orchestration.operations.options import SiteOption
from orchestration.operations.signing import pack_signer

MISFITS = Table("misfits", "entity | term | reason")


@operation("export brick", takes=ACTS, example="--site factory --to factory.ttl")
def export_brick(
    call: Call,
    site: SiteOption,
    to: Annotated[Path, Written("The Turtle file; its manifest is written beside it.", metavar="FILE")],
) -> Answer:
    """Write a site as Brick 1.4: meters, submeters, points with units, devices; uses, tariffs and factors beside them.

    What Brick has no word for is of `ems:`, an ontology of ours. Addresses of devices are not written.
    """
    from assets.sites.load_sites import site_sha256
    from orchestration.operations.exports.export_file import write_export
    from reports.exports.brick_graph import graph_of
    from reports.exports.brick_terms import misfits

    known = call.project.site(site)
    graph = graph_of(known)
    wrong = misfits(graph)
    counts = {"triples": len(graph), "conforms": not wrong, "misfits": wrong, "unmapped": []}
    result: dict[str, Any] = counts | write_export(
        to,
        [graph.serialize(format="turtle")],
        pack_signer(call),
        format="brick",
        site_id=known.site_id,
        source_sha256=site_sha256(known),
        holds={"triples": len(graph)},
    )
    text = f"{to}: {len(graph):,} triples of {len(known.meters)} meters, {conforms(wrong)}"
    return Answer(result, MISFITS if wrong else (), text, DONE if not wrong else CHECK_FAILED)


def conforms(wrong: list[Any]) -> str:
    """Conformance for people."""
    return f"{len(wrong)} terms do not conform to Brick" if wrong else "conforms to Brick 1.4"
