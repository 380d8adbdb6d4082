"""`meterloom restore`: a backup brought back into an empty folder, or proved without one."""

import os
import shutil
from contextlib import ExitStack, closing
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated, Any

from assets.stores.backup.backup_areas import is_inside
from assets.stores.backup.backup_list import BackupList
from assets.stores.backup.bring_back import Restoring, fetch_settings
from assets.stores.backup.place import BackupPlace, list_in, place_to_read, split_address
from assets.stores.backup.sealed import Opener
from assets.stores.backup.store_copy import scratch_database
from assets.stores.erasure.record import records_in
from data_quality.contracts.database import DatabaseSettings
from data_quality.contracts.errors import BadInput
from data_quality.contracts.settings import SETTINGS_FILE, PathSettings, Project, load_project
from orchestration.open_project import OpenProject
from orchestration.operations.answer import CHECK_FAILED, DONE, Answer, Table
from orchestration.operations.operation import KEYS_VARIABLE, STATELESS, Argument, Call, Option, operation
from orchestration.operations.project.erase import replay_erasures
from orchestration.views.restored_proof import Proof, prove

PROBLEMS = Table("problems", "file | problem")
DEFAULT_FIGURES = 20
STAGED = ".restoring"


@operation("restore", takes=STATELESS, example="/mnt/backups/factory --into factory")
def restore(
    call: Call,
    backup: Annotated[str, Argument("Place of backups (its newest), or a list in it.", metavar="BACKUP")],
    into: Annotated[Path | None, Option("Folder of the restored project.", metavar="EMPTY")] = None,
    verify: Annotated[bool, Option("Restore into a scratch folder, prove it, and keep nothing.")] = False,
    figures: Annotated[int, Option("Stored figures to recompute.")] = DEFAULT_FIGURES,
    every: Annotated[bool, Option("Recompute every stored figure.", "--all")] = False,
    key: Annotated[Path | None, Option("Opens the private keys in it.", metavar="RECIPIENT.key")] = None,
) -> Answer:
    """Restore a project, or prove that it can be: each file by its hash, all chains, and figures computed again.

    Every site is in SIMULATION afterwards, until a person raises its mode: devices may be ahead of the ledger.
    """
    if (into is None) != verify:
        raise BadInput("expected --into EMPTY or --verify, and one of them", reason="bad_arguments")
    if (
        into is not None
        and into.exists()
        and (not into.is_dir() or any(each.name != STAGED for each in into.iterdir()))
    ):
        mend = "name another folder: what is in this one stays"
        raise BadInput("expected an empty folder", file=str(into), reason="not_empty", mend=mend)
    address, name = split_address(backup)
    with place_to_read(address) as place:
        listed = list_in(place, name)
        work = _Work(call, place, listed, key, None if every else figures)
        proof = work.verify() if into is None else work.restore(into.resolve())
    return _answer(proof, listed, into)


def _answer(proof: Proof, listed: BackupList, into: Path | None) -> Answer:
    result: dict[str, Any] = {
        "verified": proof.is_whole,
        "files": len(listed.body.files),
        "chains": proof.chains,
        "figures": {"checked": proof.checked, "equal": proof.equal, "stored": proof.stored},
        "mode": proof.mode,
        "problems": [each._asdict() for each in proof.problems],
        "made_utc": listed.body.made_utc,
        "digest": listed.body.digest,
        "signer": listed.signer,
        "fingerprint": listed.fingerprint,
        "path": into,
    }
    name = f"the backup of {listed.body.made_utc[:19]}Z"
    found = f"{len(listed.body.files)} files, {proof.chains} chains, {proof.equal} of {proof.checked} figures equal"
    head = f"{name} is whole: {found}" if proof.is_whole else f"{name} has {len(proof.problems)} problem(s): {found}"
    lines = [head, f"signed by {listed.signer}, {listed.fingerprint}"]
    if into is not None:
        lines.append(f"restored into {into}; every site is in {proof.mode} until a person raises it")
    if into is not None and not listed.body.recipient:
        lines.append("private keys are not in it: put them into the keys folder, or make new ones")
    parts = [PROBLEMS] if proof.problems else None
    return Answer(result, parts, text="\n".join(lines), exit_code=DONE if proof.is_whole else CHECK_FAILED)


class _Work:
    """One restoration. sample: how many figures are computed again; None: all."""

    def __init__(
        self, call: Call, place: BackupPlace, listed: BackupList, key: Path | None, sample: int | None
    ) -> None:
        self.call, self.place, self.listed, self.sample = call, place, listed, sample
        self.private_key = None if key is None else Opener(key)

    def verify(self) -> Proof:
        """Restore into a scratch folder, and database where it is of PostgreSQL; prove it; keep nothing."""
        with TemporaryDirectory(prefix="meterloom-verify-") as folder, ExitStack() as stack:
            root = Path(folder)
            fetch_settings(self.place, self.listed.body, root)
            project = load_project(root, os.environ)
            expect_engine(project, self.listed)
            paths = scratch_paths(project)
            settings: dict[str, Any] = {"paths": paths, "database": DatabaseSettings()}
            if self.listed.body.engine == "postgresql":
                named = project.settings.database
                url = stack.enter_context(scratch_database(named.store_url or named.url))
                settings["database"] = DatabaseSettings(url=url)
            project = project.model_copy(update={"settings": project.settings.model_copy(update=settings)})
            return self._prove(project, root, project.keys_dir)

    def restore(self, into: Path) -> Proof:
        """Restore into a folder that appears whole, at the end; one that is there may be a disk of its own."""
        is_there = into.is_dir()
        staged = into / STAGED if is_there else into.with_name(f".{into.name}{STAGED}")
        # A former one that was stopped: nobody but a restore writes under that name.
        shutil.rmtree(staged, ignore_errors=True)
        staged.mkdir(parents=True, mode=0o700)
        try:
            fetch_settings(self.place, self.listed.body, staged)
            project = load_project(staged, os.environ)
            expect_engine(project, self.listed)
            named = os.environ.get(KEYS_VARIABLE)
            proof = self._prove(project, into, Path(named) if named else project.keys_dir)
            if not is_there:
                staged.replace(into)
            # The settings last: by them a folder is a project.
            for path in sorted(staged.iterdir(), key=lambda each: each.name == SETTINGS_FILE) if is_there else ():
                path.replace(into / path.name)
        except BaseException:
            shutil.rmtree(staged, ignore_errors=True)
            raise
        if is_there:
            staged.rmdir()
        return proof

    def _prove(self, project: Project, final: Path, keys_dir: Path) -> Proof:
        def progress(text: str, done: int, of: int | None) -> None:
            self.call.doing(text, done=done, of=of)

        restoring = Restoring(self.place, self.listed.body, project, final, keys_dir)
        restoring.expect_empty()
        restoring.write(self.private_key, progress)
        if records := records_in(self.place, self.listed.body.ledger):
            # Apart from the proof, which must see the project as anybody who opens it does.
            with closing(OpenProject.of(project)) as opened:
                replay_erasures(opened, keys_dir, records, self.call)
        with closing(OpenProject.of(project)) as opened:
            seed, clock = int(self.listed.body.digest[:8], 16), self.call.clock
            return prove(opened, restoring.problems, sample=self.sample, seed=seed, clock=clock, progress=progress)


def expect_engine(project: Project, listed: BackupList) -> None:
    """Raises BadInput where the settings keep the store in another kind of database than the backup has it."""
    is_server, of_server = bool(project.settings.database.of("store")), listed.body.engine == "postgresql"
    if is_server != of_server:
        kinds = ("PostgreSQL", "SQLite") if of_server else ("SQLite", "PostgreSQL")
        raise BadInput(
            f"the backup is of {kinds[0]}, and the settings name {kinds[1]}",
            reason="other_engine",
            mend="name an empty database: METERLOOM_DATABASE__URL" if of_server else "unset METERLOOM_DATABASE__URL",
        )


def scratch_paths(project: Project) -> PathSettings:
    """The folders of a project, with those outside of it inside, and its lake in no bucket."""
    found: dict[str, str] = {"lake": "", "anchors": "", "anchors_also": ""}
    for name in ("sites", "landing", "data", "reports", "keys", "people", "organisation"):
        given = str(getattr(project.settings.paths, name))
        if not is_inside(project.root, project.root / given):
            is_file = name in {"people", "organisation"}
            found[name] = f"{name}/{Path(given).name}" if is_file else name
    return project.settings.paths.model_copy(update=found)
