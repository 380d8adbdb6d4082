"""`meterloom export brick|import brick`: a site as Brick graph with a signed manifest, a graph as draft of a site."""

from pathlib import Path
from typing import Annotated, Any

from data_quality.contracts.errors import BadInput
from data_quality.contracts.site_file.site import Site
from orchestration.operations.answer import CHECK_FAILED, DONE, Answer, Table
from orchestration.operations.operation import ACTS, STATELESS, Argument, Call, Option, Written, operation
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


# Of Turtle: a campus of 10,000 points takes some ten.
MAX_BYTES = 64 << 20
UNMAPPED = Table("unmapped", "entity | class: {kind} | reason")


@operation(
    "import brick",
    takes=STATELESS,
    example="model.ttl --to plant.yaml --time-zone Europe/Berlin --currency EUR --country DE",
)
def import_brick(
    call: Call,
    file: Annotated[Path, Argument("A model as Turtle.", metavar="FILE")],
    to: Annotated[Path, Option("The draft of the site file.", metavar="FILE")],
    time_zone: Annotated[str, Option("IANA zone; Brick has none.")] = "",
    currency: Annotated[str, Option("ISO 4217; Brick has none.")] = "",
    country: Annotated[str, Option("ISO 3166; Brick has none.")] = "",
) -> Answer:
    """Make a draft of a site file from a Brick model, and list what of it could not be mapped."""
    from assets.stores.file_hashes import file_sha256
    from assets.stores.whole_file import write_whole
    from data_quality.contracts.yaml_file import parsed, text_of, validate_document, yaml_text
    from reports.exports.brick_site import draft_of, read_graph
    from reports.exports.brick_terms import misfits

    if file.exists() and file.stat().st_size > MAX_BYTES:
        raise BadInput(f"more than {MAX_BYTES >> 20} MiB", file=str(file), reason="too_large")
    if to.exists():
        raise BadInput("is there already; a draft takes the place of no file", file=str(to), reason="file_exists")
    graph = read_graph(text_of(file), str(file))
    given = {"time_zone": time_zone, "currency": currency, "country": country}
    draft = draft_of(graph, given, str(file))
    # A file may be called by several lines, which would be some of the site file.
    text = f"# Draft from {file.name!a}; what could not be mapped is named by the command.\n{yaml_text(draft.site)}"
    made = validate_document(parsed(text), Site, str(to))
    try:
        write_whole(to, text.encode())
    except OSError as error:
        raise BadInput(f"cannot be written: {error.strerror}", file=str(to), reason="not_written") from error
    wrong = misfits(graph)
    result = {
        "path": str(to),
        "sha256": file_sha256(to),
        "triples": len(graph),
        "conforms": not wrong,
        "misfits": wrong,
        "site": made.site_id,
        "meters": len(made.meters),
        "unmapped": draft.unmapped,
    }
    summary = f"{to}: {len(made.meters)} meters of {len(graph):,} triples; {len(draft.unmapped)} entities not mapped"
    tables = (MISFITS, UNMAPPED) if wrong else (UNMAPPED,) if draft.unmapped else ()
    return Answer(result, tables, f"{summary}; {conforms(wrong)}")
