"""Makes an evidence pack: a revision, its traces and what they rest on, in one sealed archive.

The same revision over the same inputs, signed by the same key, is the same pack to the last byte.
"""

import hashlib
import importlib.metadata
import os
import uuid
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from assets.kpi.from_readings import Definitions
from assets.stores.lake.lake import Lake
from assets.stores.published.evidence import figure_rows
from assets.stores.published.publications import DRAFT, GENESIS, PackLink, PublicationStore
from assets.stores.published.report_ledger import ReportStore, Revision
from assets.stores.sign import PACK_DOMAIN, REPLACE, Signer, canonical
from assets.stores.transactions import next_recorded_at
from data_quality.contracts.errors import BadInput
from data_quality.contracts.model import Model
from data_quality.contracts.time import Clock
from reports.evidence import manifest as names
from reports.evidence.archive import ArchiveWriter
from reports.evidence.lifecycle import names_then, with_revision_state
from reports.evidence.manifest import FORMAT, FigureRun, Manifest, PackChain, PackedFile, PackedReport, PackSignature
from reports.evidence.pack_inputs import Inputs, gather
from reports.lifecycle.revise import stored_content
from reports.make_report import RENDERERS

ROOT = Path(__file__).resolve().parents[2]
ROOMS = ("assets", "controls", "data_quality", "dbt_project", "ml", "orchestration", "reports")
Source = bytes | Path


class WrittenPack(Model):
    """A pack that was written."""

    path: Path
    sha256: str
    manifest_sha256: str
    files: int
    bytes: int
    position: int
    previous_sha256: str
    signer: str
    public_key: str


@dataclass(frozen=True)
class PackMaker:
    """Stores that packs of a project are made from. bills_dir: kept copies of suppliers' bills, None for none. people:
    names by person_id, as the people file has them: a pack of what is not published yet shows and holds them.
    """

    reports: ReportStore
    publications: PublicationStore
    lake: Lake
    definitions: Definitions
    bills_dir: Path | None = None
    people: Mapping[str, str] = field(default_factory=dict)

    def make(
        self, revision: Revision, out: Path, *, signer: Signer, signer_name: str, policy: names.Policy, clock: Clock
    ) -> WrittenPack:
        """Write the pack under its final name, whole or not at all, and add it to the site's chain.

        Raises BadInput for inputs that are too large for one pack or are gone from the lake.
        """
        status = self.publications.statuses().get((revision.report_id, revision.revision), DRAFT)
        rows = figure_rows(self.reports.store, revision.report_id, revision.revision)
        inputs = gather(revision, rows, reports=self.reports, lake=self.lake, bills_dir=self.bills_dir, policy=policy)
        out.parent.mkdir(parents=True, exist_ok=True)
        # A name of its own: two who make one pack must not write into one file.
        unfinished = out.with_name(f".{out.name}.{uuid.uuid4().hex}.part")
        try:
            with unfinished.open("w+b") as file:
                writer = ArchiveWriter(file)
                members = self._members(revision, rows, inputs)
                files = [PackedFile(path=name, bytes=s, sha256=d) for name, (s, d) in _added(writer, members)]
                body = {
                    "format": FORMAT,
                    "report": _report(revision, status),
                    "inputs": policy,
                    "figures": _run(rows),
                    "version": importlib.metadata.version("meterloom"),
                    "files": tuple(files),
                }
                link, is_new, sealed = self._linked(body, revision, signer, signer_name, clock)
                writer.add(names.MANIFEST, sealed)
                writer.add(names.SIGNATURE, _signature(sealed, signer, signer_name))
                writer.close()
                file.flush()
                # On the disk before it gets its name: a power cut must not leave half a pack that looks whole.
                os.fsync(file.fileno())
                file.seek(0)
                digest = hashlib.file_digest(file, "sha256").hexdigest()
                size = file.seek(0, os.SEEK_END)
            # On record before it appears: otherwise a break would let the next pack take the same place in the chain.
            if is_new:
                self.publications.add_pack(link)
            self.reports.files.record(out, revision.report_id, revision.revision, digest, clock)
            unfinished.replace(out)
        finally:
            unfinished.unlink(missing_ok=True)
        return WrittenPack(
            path=out,
            sha256=digest,
            manifest_sha256=link.manifest_sha256,
            files=len(files) + 2,
            bytes=size,
            position=link.position,
            previous_sha256=link.previous_sha256,
            signer=signer_name,
            public_key=signer.public_key,
        )

    def _members(
        self, revision: Revision, rows: Sequence[dict[str, Any]], inputs: Inputs
    ) -> Iterator[tuple[str, Source]]:
        """Every member but manifest and signature, in the order of their names."""
        content = stored_content(self.reports, revision.report_id, revision.revision)
        shown = with_revision_state(content, self.publications, self.people)
        stem = names.rendered_stem(revision.name, revision.site_id, revision.period, revision.revision)
        found: dict[str, Source] = {f"{stem}.{kind}": render(shown) for kind, render in RENDERERS.items()}
        found[names.CONTENT] = canonical(revision.content)
        found[names.LIFE] = canonical(life_of(self.publications, revision, self.people))
        found[names.FIGURES] = _lines(rows)
        found[names.OTHERS] = _lines(inputs.other_figures)
        found |= inputs.files
        found |= self._definitions([*rows, *inputs.other_figures])
        found |= code_files()
        yield from sorted(found.items())

    def _definitions(self, rows: Sequence[dict[str, Any]]) -> dict[str, Source]:
        """The SQL that the traces pin: the very definition that each KPI was made by."""
        named = {each["sha256"] for row in rows for each in row["inputs"] if each["role"] == "definition"}
        return {f"{names.DEFINITIONS}{sha256}.sql": self.definitions.of(sha256).text.encode() for sha256 in named}

    def _linked(
        self, body: dict[str, Any], revision: Revision, signer: Signer, signer_name: str, clock: Clock
    ) -> tuple[PackLink, bool, bytes]:
        """The pack's link, whether it is a new one, and the manifest's bytes."""
        # Place and time stay out of the digest: the same pack recomputed must be found, not chained a second time.
        dumped = Manifest(
            **body, chain=PackChain(position=0, previous_sha256=""), created_at_utc=revision.recorded_at_utc
        ).model_dump(mode="json", exclude={"chain", "created_at_utc"})
        by = f"{signer_name} {signer.public_key}"[:64]
        digest = hashlib.sha256(canonical([dumped, signer_name, signer.public_key])).hexdigest()
        chain = self.publications.packs(revision.site_id)
        known = next((each for each in chain if each.body_sha256 == digest), None)
        if known is None:
            with self.reports.store.begin() as connection:
                # Never before what was recorded last, even where the clock was set back.
                moment = next_recorded_at(connection, clock.now_utc())
            position, before = (chain[-1].position, chain[-1].manifest_sha256) if chain else (0, GENESIS)
        else:
            position, before, moment = known.position - 1, known.previous_sha256, known.recorded_at_utc
        whole = Manifest(**body, chain=PackChain(position=position + 1, previous_sha256=before), created_at_utc=moment)
        sealed = canonical(whole.model_dump(mode="json"))
        link = PackLink(
            site_id=revision.site_id,
            position=position + 1,
            report_id=revision.report_id,
            revision=revision.revision,
            signer=by,
            body_sha256=digest,
            previous_sha256=before,
            manifest_sha256=hashlib.sha256(sealed).hexdigest(),
            recorded_at_utc=moment,
        )
        return link, known is None, sealed


def life_of(publications: PublicationStore, revision: Revision, people: Mapping[str, str]) -> dict[str, Any]:
    """People who made, reviewed and published a revision, by id and name, with their signatures; as JSON."""
    key = (revision.report_id, revision.revision)
    maker, decisions = publications.maker(*key), publications.decisions(*key)
    who = sorted({each.person_id for each in decisions})
    changes = [act for each in who for act in publications.signatures(each) if act.kind == REPLACE]
    known, parts = names_then(decisions, people), {maker, *(each.person_id for each in decisions)}
    return {
        "maker": maker,
        "names": {each: name for each, name in known.items() if each in parts},
        "decisions": [each.model_dump(mode="json") for each in decisions],
        "signatures": [each.model_dump(mode="json") for each in publications.signatures(f"{key[0]}@{key[1]}")],
        **({"key_changes": [each.model_dump(mode="json") for each in changes]} if changes else {}),
    }


def code_files() -> dict[str, Source]:
    """Code behind the figures: a hash of every source file, the installed versions and, where it is, the lock."""
    found: dict[str, Source] = {names.CHECKSUMS: canonical(code_checksums())}
    installed = {each.metadata["Name"].lower(): each.version for each in importlib.metadata.distributions()}
    found[names.INSTALLED] = canonical(installed)
    lock = ROOT / "requirements.lock"
    return found | ({names.LOCK: lock} if lock.is_file() else {})


def code_checksums() -> dict[str, str]:
    """Path in the project to SHA-256, of every Python, SQL and YAML file of the rooms, and of the reports' fonts."""
    paths = [
        path
        for room in ROOMS
        for kind in ("py", "sql", "yml", "yaml", "ttf")
        for path in (ROOT / room).rglob(f"*.{kind}")
    ]
    # What dbt writes there itself is no source.
    wanted = [path for path in sorted(paths) if not {"target", "logs", "dbt_packages"} & set(path.parts)]
    return {str(path.relative_to(ROOT)): hashlib.sha256(path.read_bytes()).hexdigest() for path in wanted}


def _added(writer: ArchiveWriter, members: Iterator[tuple[str, Source]]) -> Iterator[tuple[str, tuple[int, str]]]:
    for name, source in members:
        yield name, writer.add(name, source)


def _report(revision: Revision, status: str) -> PackedReport:
    given = {name: getattr(revision, name) for name in PackedReport.model_fields if name != "status"}
    return PackedReport(**given, status=status)


def _run(rows: Sequence[dict[str, Any]]) -> FigureRun:
    if not rows:
        raise BadInput("the revision has no figures, so there is nothing to prove", reason="no_figures")
    first, last = rows[0], rows[-1]
    return FigureRun(first=first["position"], last=last["position"], prev_hash=first["prev_hash"], hash=last["hash"])


def _signature(sealed: bytes, signer: Signer, signer_name: str) -> bytes:
    made = PackSignature(
        algorithm="Ed25519",
        signer=signer_name,
        public_key=signer.public_key,
        signature=signer.sign(PACK_DOMAIN, sealed),
    )
    return canonical(made.model_dump(mode="json"))


def _lines(rows: Sequence[dict[str, Any]]) -> bytes:
    return b"".join(canonical(row) + b"\n" for row in rows)
