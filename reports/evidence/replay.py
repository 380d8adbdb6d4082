"""Makes figures of a pack again from the pack's own inputs, in a folder of its own, and checks what they rest on.

Everything here was written by somebody else: a value of another form is a problem of its member, never a crash.
"""

import hashlib
import importlib.metadata
import json
import random
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Any

import polars as pl
from pydantic import ValidationError

from assets.kpi.from_readings import Definitions, keep_definition
from assets.stores.lake.lake import Lake
from assets.stores.lake.lake_block import LAKE_SCHEMA, content_sha256
from assets.stores.lake.lake_files import faults
from assets.stores.published.evidence import broken_figure, restore
from assets.stores.published.publications import Decision
from assets.stores.sign import Signature, canonical, former_keys, is_signed, signed_on
from assets.stores.transactions import DatabaseError, Store, open_store
from data_quality.contracts.errors import BadInput, MeterloomError
from data_quality.contracts.people import People
from data_quality.contracts.reporting.figure import Figure, KpiDefinition
from data_quality.contracts.site_file.site import Site
from reports.evidence import manifest as names
from reports.evidence.archive import Archive, PackProblem
from reports.evidence.group_shares import share_problems
from reports.evidence.lifecycle import VERBS, name_of
from reports.evidence.manifest import Manifest
from reports.evidence.pack import code_checksums
from reports.evidence.pack_inputs import readable
from reports.evidence.printed import printed_problems
from reports.recompute.computations import code_sha256, version_of
from reports.recompute.figure import prefetch, recompute
from reports.recompute.figure_sources import Sources, parse_span

# Readings are Parquet and not read by this way: a larger document is no report but somebody's bomb.
MAX_JSON = 512 << 20
# What lays out the files of a report.
RENDERED_BY = ("reportlab", "xlsxwriter", "pillow")
# More than a lake's largest file of a month holds; beyond it somebody means to keep us busy.
MAX_ROWS = 200_000_000
# What foreign content of the right form can still bring about while a figure is computed.
FOREIGN = (
    MeterloomError,
    ArithmeticError,
    LookupError,
    RecursionError,
    TypeError,
    ValueError,
    pl.exceptions.PolarsError,
    pl.exceptions.PanicException,
)
MALFORMED = (ValidationError, BadInput, ValueError, TypeError, LookupError, AttributeError, RecursionError)
FINDING_NO_READINGS = "the pack holds digests instead of readings: figures that rest on readings were not recomputed"


@dataclass
class Played:
    """Result of a replay. days: partitions whose content was hashed again."""

    problems: list[PackProblem] = field(default_factory=list)
    findings: list[str] = field(default_factory=list)
    figures: int = 0
    recomputed: int = 0
    days: int = 0

    def wrong(self, file: str, problem: str) -> None:
        """One more problem."""
        self.problems.append(PackProblem(file=file, problem=problem))


def replay(
    archive: Archive,
    manifest: Manifest,
    *,
    folder: Path,
    today: KpiDefinition,
    sample: int | None,
    seed: int,
    people: People | None = None,
) -> Played:
    """Check chains, lives, files and versions of an intact pack, then make `sample` figures again (None: all).

    folder: empty; the pack's inputs are laid out there. today: the definition of KPIs here, for figures that pin none.
    people: whose keys those of the decisions must be.
    """
    played = Played()
    rows = _figure_rows(archive, manifest, played)
    others = _other_rows(archive, played)
    _check_life(archive, manifest, people, played)
    tables = _tables(archive, played)
    # Figures are recomputed only of inputs that are whole: otherwise each of them would be one more problem.
    if played.problems or rows is None or others is None or tables is None:
        return played
    played.figures = len(rows)
    figures = {each["figure_id"]: _figure(each) for each in [*rows, *others]}
    _check_shares(archive, figures.values(), played)
    code = list(_code_findings(archive, figures.values()))
    played.findings += code
    _check_printed(archive, manifest, [figures[row["figure_id"]] for row in rows], played, is_same_code=not code)
    # A store of its own: nothing of a stranger's pack gets near the project's.
    store = open_store(f"sqlite:///{folder / 'store.db'}")
    try:
        definitions = _definitions(archive, today, folder / "definitions", played)
        sources = _sources(archive, tables, store, folder, manifest, definitions, played)
        if sources is not None:
            wanted = [figures[row["figure_id"]] for row in rows]
            chosen = wanted if sample is None else _sampled(wanted, sample, seed)
            _check_days(tables["lake_manifest"], sources.lake, manifest, sample, seed, played)
            _check_digests(figures.values(), sources, played)
            if not played.problems:
                _recompute(chosen, figures, sources, manifest, played)
    finally:
        store.close()
    return played


def _figure_rows(archive: Archive, manifest: Manifest, played: Played) -> list[dict[str, Any]] | None:
    """The revision's figures as its site's chain holds them; None where that cannot be read."""
    try:
        rows = _lines(archive, names.FIGURES)
        broken = broken_figure(rows)
        run = manifest.figures
        ends = (rows[0]["position"], rows[-1]["position"], rows[0]["prev_hash"], rows[-1]["hash"])
        if broken is not None:
            played.wrong(names.FIGURES, f"the chain of figures breaks at {broken}")
        elif ends != (run.first, run.last, run.prev_hash, run.hash):
            played.wrong(names.FIGURES, "is not the part of the chain that the manifest names")
        # Each figure carries the hash of the content that it was stored with: words and figures cannot be exchanged.
        content = archive.members[names.CONTENT].sha256
        wrong = [row["figure_id"] for row in rows if row["figure"]["content_sha256"] != content]
        if wrong:
            played.wrong(names.CONTENT, f"is not the content that figure {wrong[0]} was stored with")
        for row in rows:
            _figure(row)
    except MALFORMED:
        played.wrong(names.FIGURES, "cannot be read")
        return None
    return rows


def _other_rows(archive: Archive, played: Played) -> list[dict[str, Any]] | None:
    """Figures of other revisions that the traces name, each with its own hash; None where they cannot be read."""
    try:
        rows = _lines(archive, names.OTHERS)
        broken = next((found for row in rows if (found := broken_figure([row])) is not None), None)
        for row in rows:
            _figure(row)
    except MALFORMED:
        played.wrong(names.OTHERS, "cannot be read")
        return None
    if broken is not None:
        played.wrong(names.OTHERS, f"figure {broken} is not as its chain has it")
    return rows


def _check_life(archive: Archive, manifest: Manifest, people: People | None, played: Played) -> None:
    """Decisions must be signed by their person where a signature is there, with the key that `people` has."""
    try:
        life = _json(archive, names.LIFE)
        signed = [Signature.model_validate(each) for each in life["signatures"]]
        decisions = [Decision.model_validate(each) for each in life["decisions"]]
        changes = [Signature.model_validate(each) for each in life.get("key_changes", ())]
        bad = next((each for each in signed if not is_signed(each)), None)
        acts_signed = {(one.kind, one.person_id, one.subject) for one in signed}
        acts = {each.step: (f"reports {VERBS[each.step]}", each.person_id, name_of(each)) for each in decisions}
        unsigned = [step for step, act in acts.items() if act not in acts_signed]
        signed_names = {one.kind: json.loads(one.action)["facts"].get("names", {}) for one in signed}
        renamed = [each for each in decisions if signed_names.get(acts[each.step][0], each.names) != each.names]
    except MALFORMED:
        played.wrong(names.LIFE, "cannot be read")
        return
    if bad is not None:
        played.wrong(names.LIFE, f"the signature of {bad.person_id} is not over that text")
    for decision in renamed:
        played.wrong(names.LIFE, f"names other people as {decision.step} than {decision.person_id} signed")
    if {each.content_sha256 for each in decisions} - {manifest.report.content_sha256}:
        played.wrong(names.LIFE, "somebody decided on other content")
    keys = {each.person_id: each.public_key for each in people.people} if people is not None else None
    # The chain of seals stays with the store; who sealed the pack vouches for the places that its acts name.
    former = former_keys(changes, keys or {}, signed_on)
    for each in signed:
        was_theirs = signed_on(each) < former.get((each.person_id, each.public_key), 0)
        if keys is not None and keys.get(each.person_id) != each.public_key and not was_theirs:
            played.wrong(names.LIFE, f"the people file does not have the key that {each.person_id} signed with")
    if keys is None and signed:
        played.findings.append("the decisions are signed with keys that nobody vouched for")
    played.findings += [f"{step} without a signature" for step in unsigned]


def _check_printed(
    archive: Archive, manifest: Manifest, figures: Sequence[Figure], played: Played, *, is_same_code: bool
) -> None:
    """The report's files must show what its content says."""
    content, life = _json(archive, names.CONTENT), _json(archive, names.LIFE)
    for found in printed_problems(
        archive, manifest, content=content, life=life, figures=figures, is_same_code=is_same_code
    ):
        if isinstance(found, PackProblem):
            played.problems.append(found)
        else:
            played.findings.append(found)


def _check_shares(archive: Archive, figures: Iterable[Figure], played: Played) -> None:
    """A group's shares must be those of the organisation's file."""
    try:
        played.problems += share_problems(archive, _json(archive, names.CONTENT), figures)
    except (*MALFORMED, ArithmeticError):
        played.wrong(names.ORGANISATION, "cannot be read")


def _tables(archive: Archive, played: Played) -> dict[str, list[dict[str, Any]]] | None:
    """The store's rows by table; what is said again for readers must be the same."""
    found: dict[str, list[dict[str, Any]]] = {}
    for name in archive.members:
        if not name.startswith(names.STORE):
            continue
        try:
            found[name.removeprefix(names.STORE).removesuffix(".json")] = _json(archive, name)
        except MALFORMED:
            played.wrong(name, "cannot be read")
            return None
    try:
        for name, text in readable(found).items():
            if text != archive.bytes_of(name, limit=MAX_JSON):
                played.wrong(name, "does not say what the store's rows say")
        for row in found["site_versions"]:
            # Over what was stored, not over what today's contract reads in it: a later version adds fields.
            if hashlib.sha256(canonical(row["site"])).hexdigest() != row["sha256"]:
                played.wrong(f"{names.STORE}site_versions.json", f"site {row['site_id']} has another hash")
        if not {"lake_manifest", "batches", "baseline_versions"} <= set(found):
            played.wrong(f"{names.STORE}lake_manifest.json", "rows that every pack has are missing")
    except MALFORMED:
        played.wrong(f"{names.STORE}site_versions.json", "the inputs cannot be read")
        return None
    return found


def _sources(
    archive: Archive,
    tables: Mapping[str, Any],
    store: Store,
    root: Path,
    manifest: Manifest,
    definitions: Definitions,
    played: Played,
) -> Sources | None:
    """Sources over the pack's rows and files; None where they do not fit together."""
    try:
        restore(store, tables)
    except (*MALFORMED, DatabaseError):
        played.wrong(names.STORE.rstrip("/"), "the rows do not fit the tables")
        return None
    lake = Lake(root / "lake", store)
    if manifest.inputs == "full":
        for path in dict.fromkeys(row["path"] for row in tables["lake_manifest"]):
            member = archive.members.get(names.LAKE + path)
            if member is None:
                played.wrong(names.LAKE + path, "is not the file that the lake's manifest names")
                return None
            archive.extract(member.name, lake.root / path)
        for path in faults(lake.root, tables["lake_manifest"], lake.seen):
            played.wrong(names.LAKE + path, "is not the file that the lake's manifest names")
            return None
    sites = {row["site_id"]: Site.model_validate(row["site"]) for row in tables["site_versions"]}
    return Sources(lake=lake, sites=sites, definitions=definitions)


def _definitions(archive: Archive, today: KpiDefinition, folder: Path, played: Played) -> Definitions:
    """The pack's own definitions of KPIs, which its figures are recomputed by, and today's for the others."""
    for name in (each for each in archive.members if each.startswith(names.DEFINITIONS)):
        try:
            found = KpiDefinition.parse(archive.bytes_of(name, limit=MAX_JSON).decode(), file=name)
        except MALFORMED:
            played.wrong(name, "cannot be read")
            continue
        if name != f"{names.DEFINITIONS}{found.sha256}.sql":
            played.wrong(name, "is not the definition that its name says")
        if found.sha256 != today.sha256:
            played.findings.append(f"KPIs are defined by {name}, not as here: its SQL was run, and is there to be read")
        keep_definition(folder, found)
    return Definitions(lambda: today, folder)


def _check_days(
    entries: Sequence[Mapping[str, Any]], lake: Lake, manifest: Manifest, sample: int | None, seed: int, played: Played
) -> None:
    """Hash the content of partitions again: the readings are those whose digests the traces carry."""
    if manifest.inputs != "full":
        return
    chosen = list(entries) if sample is None else _sampled(entries, sample, seed)
    for path in sorted({str(each["path"]) for each in chosen}):
        name = names.LAKE + path
        try:
            # The footer is asked first: a file may claim any number of rows.
            scan = pl.scan_parquet(lake.root / path, hive_partitioning=False)
            if set(scan.collect_schema()) != set(LAKE_SCHEMA) or scan.select(pl.len()).collect().item() > MAX_ROWS:
                played.wrong(name, "does not hold readings as the lake does")
                continue
            for each in (one for one in chosen if one["path"] == path):
                day = pl.col("interval_start_utc").dt.date() == pl.lit(str(each["day"])).str.to_date()
                # A file holds a month, of which the pack may need one day: only that day is taken into memory.
                rows = scan.filter(day).head(int(each["rows"]) + 1).collect()
                if content_sha256(rows) != each["content_sha256"]:
                    played.wrong(name, f"the readings of {each['day']} have another digest")
                played.days += 1
        except FOREIGN:
            played.wrong(name, "cannot be read")


def _check_digests(figures: Any, sources: Sources, played: Played) -> None:
    """Every lake input of every trace: the digest of the pack's own manifest rows, as known at the trace's as_of."""
    checked: set[tuple[Any, ...]] = set()
    for figure in figures:
        for given in figure.trace.inputs:
            key = (given.id, given.sha256, figure.trace.as_of_utc)
            if given.kind != "lake" or key in checked:
                continue
            checked.add(key)
            try:
                site_id, start, end = parse_span(given.id)
            except FOREIGN:
                played.wrong(names.FIGURES, f"figure {figure.figure_id} names no span of the lake")
                continue
            digest = sources.lake.digest(site_id, start_utc=start, end_utc=end, as_of_utc=figure.trace.as_of_utc)
            if digest != given.sha256:
                played.wrong(
                    f"{names.STORE}lake_manifest.json", f"{given.id} has another digest than figure {figure.figure_id}"
                )


def _recompute(
    chosen: Sequence[Figure], figures: Mapping[str, Figure], sources: Sources, manifest: Manifest, played: Played
) -> None:
    """Make the chosen figures again; with digests only, those that rest on no reading."""
    kept: dict[str, Decimal | None] = {}
    if manifest.inputs == "digests":
        played.findings.append(FINDING_NO_READINGS)
        chosen = [figure for figure in chosen if not _rests_on_readings(figure, figures)]
    try:
        prefetch(chosen, sources=sources, lookup=figures.get)
    except FOREIGN as fault:
        played.wrong(names.FIGURES, f"a trace cannot be read: {fault}"[:400])
        return
    for figure in chosen:
        try:
            value = recompute(figure, sources=sources, lookup=figures.get, kept=kept)
        except FOREIGN as fault:
            played.wrong(names.FIGURES, f"figure {figure.figure_id} cannot be recomputed: {fault}"[:400])
            continue
        played.recomputed += 1
        if value != figure.value:
            played.wrong(names.FIGURES, f"figure {figure.figure_id} is {value}, {figure.value} was stored")


def _rests_on_readings(figure: Figure, figures: Mapping[str, Figure]) -> bool:
    seen, waiting = {figure.figure_id}, [figure]
    while waiting:
        node = waiting.pop()
        for given in node.trace.inputs:
            # A figure that the pack does not hold may rest on anything.
            if given.kind == "lake" or (given.kind == "figure" and given.id not in figures):
                return True
            if given.kind == "figure" and given.id not in seen:
                seen.add(given.id)
                waiting.append(figures[given.id])
    return False


def _code_findings(archive: Archive, figures: Any) -> Iterator[str]:
    """Code here beside the code that made the pack: another one is no alteration, but a reader should know."""
    try:
        then = _json(archive, names.CHECKSUMS)
        now = code_checksums()
        other = sorted(name for name in set(then) | set(now) if then.get(name) != now.get(name))
    except MALFORMED:
        return
    if other:
        yield f"{len(other)} source files differ from those that made the pack, {other[0]} among them"
    computations = {(figure.trace.computation, figure.trace.code_sha256) for figure in figures}
    for name, sha256 in sorted(computations):
        try:
            made_by, today = version_of(name, sha256), version_of(name, code_sha256(name))
        except MeterloomError:
            yield f"no computation is called {name} here"
            continue
        if made_by != today:
            yield f"the computation {name} was {made_by} in the pack and is {today} here"
    libraries = _json(archive, names.INSTALLED)
    for name in RENDERED_BY:
        now_installed = importlib.metadata.version(name)
        if libraries.get(name) != now_installed:
            yield f"{name} was {libraries.get(name)} then and is {now_installed} here"


def _figure(row: Mapping[str, Any]) -> Figure:
    """A carried row as a figure. Raises ValidationError or one of MALFORMED."""
    body = {name: value for name, value in row["figure"].items() if name not in {"content_sha256", "trace"}}
    return Figure.model_validate({**body, "trace": {**row["figure"]["trace"], "inputs": row["inputs"]}})


def _lines(archive: Archive, name: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in archive.bytes_of(name, limit=MAX_JSON).split(b"\n") if line]


def _json(archive: Archive, name: str) -> Any:
    return json.loads(archive.bytes_of(name, limit=MAX_JSON))


def _sampled(given: Sequence[Any], count: int, seed: int) -> list[Any]:
    # Seeded: two people who check one pack look at the same figures.
    chosen = random.Random(seed).sample(range(len(given)), min(count, len(given)))  # noqa: S311 - a sample, no secret
    return [given[place] for place in sorted(chosen)]
