"""Erase one person or one meter: look at what is there, change the store in one transaction, then take the files.

What is recomputed from the rest goes first, the store second, files last. So it is old until the transaction and new
after it; broken off behind it, the same call takes up what is left. Nobody else works on the project meanwhile.
"""

import shutil
from collections import Counter
from collections.abc import Callable, Collection, Mapping
from contextlib import nullcontext, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import sqlalchemy as sa

from assets.stores.erasure.files import NamedFile, clean, named_files, pushed_reports, rebuilt_paths, size_of
from assets.stores.erasure.lake_rows import FileWithReadings, delete_files, files_with_readings, written_without
from assets.stores.erasure.people_rows import person_rows, revisions_of
from assets.stores.erasure.record import ERASURES, known_erasures
from assets.stores.erasure.rows import RowChange, apply, merged, meter_rows, pinned_rows
from assets.stores.erasure.spooled import SpooledFile, spooled_files, write_without
from assets.stores.erasure.subject import Subject
from assets.stores.file_hashes import file_sha256, landing_files
from assets.stores.lake.lake import Lake
from assets.stores.lake.merges import named_batches
from assets.stores.published.rendered_files import RenderedFiles
from assets.stores.published.requested_figures import FOLDER as ASKED
from assets.stores.retention import Ground
from assets.stores.schema.tables_readings import batches as batch_rows
from assets.stores.schema.tables_readings import lake_manifest, lake_merges, quarantine
from assets.stores.schema.tables_reports import report_revisions
from assets.stores.seals import append
from assets.stores.sign import key_path
from assets.stores.tables import TABLES
from assets.stores.transactions import Store, next_recorded_at, reaching
from assets.stores.warehouse.marts import PORTFOLIO, read_built, write_built
from assets.stores.warehouse.warehouse_postgres import erase_site
from data_quality.contracts.errors import Unreachable
from data_quality.contracts.settings import Project
from data_quality.contracts.time import Clock

# Where the ledger's own law keeps a word, it says so.
PINNED_BY = "other hashes are over them: chains of commands, versions that figures name"
STAYS_BY = {
    "binary": "no text: remove or write it again by hand",
    "signed": "a signature is over it: the record of another erasure",
}
Sign = Callable[[str, Mapping[str, int]], object]


class ErasureClass(NamedTuple):
    """One class of what an erasure takes. rows: rows, or files where it is one of files; held_by: of what goes, what
    rests on it; of what stays, why.
    """

    name: str
    rows: int
    bytes: int
    held_by: tuple[str, ...] = ()


@dataclass(frozen=True)
class SubjectRecords:
    """Everything of a subject that stands. stays: files that cannot lose the name by themselves."""

    subject: Subject
    rows: list[RowChange]
    lake: list[FileWithReadings]
    sources: set[str]
    gone: dict[str, list[Path]]
    spooled: list[SpooledFile]
    named: list[NamedFile]
    stays: list[NamedFile]
    pinned: int

    @property
    def is_empty(self) -> bool:
        """Nothing is left to do; what is recomputed does not count."""
        own = [each for name, each in self.gone.items() if name != "rebuilt_paths"]
        return not (self.rows or self.lake or self.named or self.spooled or any(own))

    @property
    def is_recorded(self) -> bool:
        """The store says nothing of it any more."""
        return not (self.rows or any(each.is_named for each in self.lake))


@dataclass(frozen=True)
class Erasing:
    """A subject of a project. left_out: folders that are nobody's business here, such as a place of backups."""

    project: Project
    store: Store
    lake: Lake
    subject: Subject
    keys_dir: Path
    left_out: Collection[Path] = ()

    def look(self) -> SubjectRecords:
        """The subject's rows and files as they stand; nothing is changed. Raises Unreachable for a lake file."""
        subject = self.subject
        held = list(files_with_readings(self.lake, subject.site_id, subject.own_id)) if subject.site_id else []
        batches = named_batches(self.store, {batch for each in held for batch in each.batches})
        sources, own = {str(row["source_sha256"]) for row in batches}, self._own(held)
        # Names of files: with an ending, which what was estimated or edited has not.
        files = {str(row["source_name"]) for row in batches if row["batch_id"] in own and "." in row["source_name"]}
        files -= self._names_of_others(own) if files else set()
        subject = subject._replace(also=tuple(sorted(each for each in files if " " not in each)))
        if subject.site_id:
            rows = merged(meter_rows(self.store, subject, sources, own))
        else:
            rows = merged(person_rows(self.store, subject))
        gone = {"reports": self._rendered(rows)}
        if subject.site_id:
            gone |= self._gone_of_meter(sources)
        else:
            # The private key, the store as it was before a migration, and questions with who asked and what for.
            key = key_path(self.keys_dir, subject.own_id)
            copies = [path for path in rebuilt_paths(self.project, "") if path.name.startswith(("store.", ASKED))]
            gone |= {"keys": [key] if key.is_file() else [], "rebuilt_paths": copies}
        going = {path for paths in gone.values() for path in paths}
        spooled = spooled_files(self.project, self.store, subject.site_id, subject.own_id) if subject.site_id else ()
        named = [
            each for each in named_files(self.project, self.keys_dir, subject, self.left_out)
            if not any(each.path == path or path in each.path.parents for path in going)
        ]  # fmt: skip
        stays = [each for each in named if each.kind in STAYS_BY]
        cleaned = [each for each in named if each.kind not in STAYS_BY]
        live, pinned = [each for each in spooled if each.path not in going], pinned_rows(self.store, subject)
        return SubjectRecords(subject, rows, held, sources, gone, live, cleaned, stays, pinned)

    def classes(self, found: SubjectRecords, ground: Ground) -> list[ErasureClass]:
        """The same class by class, with what loses its ground."""
        site_id = self.subject.site_id
        rows, sizes = Counter(each.name for each in found.rows), Counter[str]()
        for each in found.rows:
            sizes[each.name] += each.size_bytes
        kept = [ErasureClass(name, rows[name], sizes[name]) for name in sorted(rows)]
        for name, paths in found.gone.items():
            kept.append(ErasureClass(name, len(paths), sum(map(size_of, paths))))
        if site_id:
            live = (sum(each.samples for each in found.spooled), sum(each.size_bytes for each in found.spooled))
            kept.append(ErasureClass("live", *live))
        kept.append(ErasureClass("files", len(found.named), sum(each.size_bytes for each in found.named)))
        if site_id:
            needs = sorted({need for source in found.sources for need in ground.get((site_id, source), ())})
            counted = sum(each.rows for each in found.lake if each.is_named)
            kept.insert(0, ErasureClass("readings", counted, sum(each.size_bytes for each in found.lake), tuple(needs)))
        if found.pinned:
            kept.append(ErasureClass("pinned", found.pinned, 0, (PINNED_BY,)))
        if found.stays:
            names = tuple(f"{each.path}: {STAYS_BY[each.kind]}" for each in found.stays)
            kept.append(ErasureClass("binary", len(found.stays), 0, names))
        return kept

    def record(
        self,
        found: SubjectRecords,
        erasure_id: str,
        sign: Sign,
        *,
        person_id: str,
        reason: str,
        clock: Clock,
        replayed: Mapping[str, Any] | None = None,
    ) -> None:
        """Change store and manifest in one transaction, with the erasure's own row, and what `sign` adds to it.

        replayed: the record that is carried out again in a restored store. Raises Unreachable, BadInput, OSError;
        nothing but what is recomputed is gone then.
        """
        counts = dict(Counter(each.name for each in found.rows))
        if found.lake:
            counts["readings"] = sum(each.rows for each in found.lake if each.is_named)
        # They print what the store says now; by its rows it is known which they are.
        self._remove(found.gone["reports"])
        if self.subject.site_id:
            # Marks first: what they do not name is built again, whatever of it still stands.
            forget_marts(self.project, self.store, self.subject.site_id)
            self._remove(found.gone["rebuilt_paths"])
        # Texts, logs and histories while all names are known; a call that is broken off finds them in the last ones.
        for each in (each for each in found.named if not self._is_last(each)):
            clean(each, found.subject)
        with self.lake.writing() if found.lake else nullcontext():
            merges = written_without(
                self.lake, self.subject.site_id, self.subject.own_id, {each.key for each in found.lake}
            )
            try:
                with self.store.together(), self.store.begin() as connection:
                    moment = next_recorded_at(connection, clock.now_utc())
                    apply(connection, found.rows, erasure_id)
                    append(connection, lake_merges, [{**each, "recorded_at_utc": moment} for each in merges])
                    content: dict[str, Any] = {"counts": counts} if replayed is None else dict(replayed)
                    step = "recorded" if replayed is None else "replayed"
                    own = {"erasure_id": erasure_id, "subject": self.subject.text, "person_id": person_id}
                    ERASURES.add(self.store, clock, {**own, "step": step, "reason": reason, "record": content})
                    sign(erasure_id, counts)
            except BaseException:
                for merge in merges:
                    # Nobody names them: a sweep takes what does not go now.
                    with suppress(Unreachable, OSError):
                        self.lake.kept.delete(str(merge["merged_path"]))
                raise

    def finish(self, *, person_id: str, clock: Clock) -> None:
        """Take the files, and let no freed page of the database keep anything; then say that it is done.

        Raises OSError, Unreachable: the next call goes on.
        """
        found = self.look()
        for paths in found.gone.values():
            self._remove(paths)
        for spooled in found.spooled:
            write_without(spooled)
        # Behind the others: by them it is known which files brought the readings.
        delete_files(self.lake, [each.key for each in found.lake])
        wipe(self.store)
        for each in sorted(found.named, key=self._is_last):
            clean(each, found.subject)
        for erasure_id, step in known_erasures(self.store, self.subject.text).items():
            if step != "finished":
                row = {"erasure_id": erasure_id, "subject": self.subject.text, "step": "finished", "reason": ""}
                ERASURES.add(self.store, clock, {**row, "person_id": person_id, "record": {}})

    def _is_last(self, named: NamedFile) -> bool:
        """Whether a file says the name that all others are searched for: the people file, a site file."""
        return named.path == self.project.people_file or named.path.is_relative_to(self.project.sites_dir)

    def _own(self, held: list[FileWithReadings]) -> set[str]:
        """Batches that brought readings of nothing else."""
        found: Counter[str] = Counter()
        for each in (each for each in held if each.is_named):
            found.update({batch: own for batch, (own, _) in each.batches.items()})
        table = lake_manifest.c
        query = sa.select(table.batch_id, sa.func.sum(table.rows).label("n")).where(table.batch_id.in_(list(found)))
        rows = self.store.rows(query.group_by(table.batch_id))
        return {row["batch_id"] for row in rows if found[row["batch_id"]] == row["n"]}

    def _names_of_others(self, own: set[str]) -> set[str]:
        """Names of files that brought other readings: loggers of many meters call theirs alike."""
        rows = self.store.rows(sa.select(batch_rows.c.batch_id, batch_rows.c.source_name))
        return {str(row["source_name"]) for row in rows if row["batch_id"] not in own}

    def _gone_of_meter(self, sources: set[str]) -> dict[str, list[Path]]:
        """Files that brought its readings go whole: what else they brought stands in the lake."""
        project, site_id = self.project, self.subject.site_id
        folder = project.landing_dir / site_id
        landed = [path for path in landing_files(folder) if file_sha256(path) in sources] if folder.is_dir() else []
        copies = self.store.rows(
            sa.select(quarantine.c.kept_path, quarantine.c.source_sha256)
            .where(quarantine.c.site_id == site_id)
            .distinct()
        )
        kept = [
            project.quarantine_dir / row["kept_path"]
            for row in copies
            if row["kept_path"] and row["source_sha256"] in sources
        ]
        return {
            "landing": landed, "quarantine": sorted({path for path in kept if path.is_file()}),
            "pushed": pushed_reports(project, self.subject), "rebuilt_paths": rebuilt_paths(project, site_id),
        }  # fmt: skip

    def _rendered(self, rows: list[RowChange]) -> list[Path]:
        """Files and packs of reports in which the name is printed; without it they can be recomputed."""
        wanted = {each.key for each in rows if each.table is report_revisions}
        if not self.subject.site_id:
            wanted |= set(revisions_of(self.store, self.subject.own_id))
        rendered = RenderedFiles(self.store, self.project.reports_dir).rows()
        files = {self.project.reports_dir / path for path, *key in rendered if tuple(key) in wanted}
        return sorted(path for path in files if path.is_file())

    def _remove(self, paths: Collection[Path]) -> None:
        for path in paths:
            if path.is_dir():
                shutil.rmtree(path)
            else:
                path.unlink(missing_ok=True)


def wipe(store: Store) -> None:
    """Write the store's tables anew, without pages and logs of before. Raises Unreachable where another reads it."""
    address = str(store.engine.url)
    if store.engine.dialect.name == "postgresql":
        with reaching(address), store.engine.connect() as connection:
            free = connection.execution_options(isolation_level="AUTOCOMMIT")
            for table in TABLES:
                free.exec_driver_sql(f"VACUUM (FULL) {table.name}")
            may = "SELECT rolsuper FROM pg_roles WHERE rolname = current_user"
            free.exec_driver_sql("CHECKPOINT") if free.exec_driver_sql(may).scalar() else None
        return
    with reaching(address):
        raw = store.engine.raw_connection()
        try:
            for words in ("PRAGMA secure_delete=ON", "VACUUM"):
                raw.cursor().execute(words)
            [is_busy, *_] = raw.cursor().execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
        finally:
            raw.close()
    if is_busy:
        raise Unreachable(f"{store.place}: another process reads the store: end it, and say this again")


def forget_marts(project: Project, store: Store, site_id: str) -> None:
    """Let neither marks nor the warehouse, where it is PostgreSQL, know the site's marts; those of other sites stay.

    Raises OSError, Unreachable.
    """
    for stage in ("kpi", "enpi"):
        built = read_built(project.marts_dir, stage, store.cache)
        months = {name: entry for name, entry in built.months.items() if name.partition("|")[0] != site_id}
        sites = {name: each for name, each in built.sites.items() if name != site_id}
        if sites != built.sites or months != built.months:
            write_built(project.marts_dir, stage, built.model_copy(update={"months": months, "sites": sites}))
    if url := project.settings.database.of("warehouse"):
        erase_site(url, site_id, PORTFOLIO)
