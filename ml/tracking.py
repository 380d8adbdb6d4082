"""The MLflow tracker: the only importer of mlflow. Models are plain files with a checksum, never pickles.

Creating an empty SQLite tracking store costs MLflow about three seconds of migrations, importing it about four.
"""

import hashlib
import json
import os
import socket
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from data_quality.contracts.database import address_of
from data_quality.contracts.errors import BadInput, OurFault, Unreachable
from data_quality.contracts.model import Model

# By the kind of a record: what people open first, with a sentence about it. Of any other kind: the last one.
EXPERIMENTS = {
    "baseline": ("Energy baselines", "What each energy use takes for its weather and output: one run a fit."),
    "forecast": (
        "Day-ahead forecasts",
        "What a site will use and generate tomorrow: one run a registered model.",
    ),
    "causes": ("Causes of anomalies", "The likely cause of an anomaly: one run a version, shipped or learned."),
    "disaggregation": ("Load disaggregation", "The energy of a circuit by class of load: one run a circuit and span."),
    "": ("meterloom", "Models of Meterloom of no other kind, and runs of earlier releases."),
}
NOTE = "mlflow.note.content"
# Without it MLflow opens an experiment among its pages for language models.
MODEL_TRAINING = {"mlflow.experimentKind": "custom_model_development"}
FILES_FOLDER = "model"
# Tag of a version whose files do not lie there; the table of a run that many models share.
FOLDER, TABLE = "folder", "models.json"
# A run takes a tenth of a CPU second and a dozen commits; of hundreds, nobody looks at the runs one by one.
RUNS_OF_THEIR_OWN = 20
SQLITE = "sqlite:///"
# The experiment that MLflow makes by itself.
DEFAULT = "0"
# A server of the house answers in milliseconds; 3 s leave room for a slow one.
PROBE_TIMEOUT_S = 3.0
# MLflow keeps at most this many characters of a dataset's digest; the whole one is a tag.
MLFLOW_DIGEST_LENGTH = 36
# A dead server must cost seconds, not minutes: MLflow's own defaults retry for longer than 100 s.
ENVIRONMENT = {
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1",
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "3",
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
}


CHAMPION, CHALLENGER, APPROVED = "champion", "challenger", "approved"


class LoggedModel(Model):
    """One registered model version and the run that logged it."""

    name: str
    version: int
    run_id: str
    checksum: str
    tags: dict[str, str] = {}


class ModelRecord(Model):
    """Record next to a model's files.

    title: readable name of its run; about: what all versions of the name are for; card: Markdown about this one.
    """

    title: str = ""
    about: str = ""
    card: str = ""
    params: dict[str, str] = {}
    metrics: dict[str, float] = {}
    tags: dict[str, str] = {}
    dataset_name: str
    dataset_digest: str


def files_checksum(files: Mapping[str, bytes]) -> str:
    """SHA-256 over names and contents, in order of name."""
    # Digests, not contents, one after the other: where one file ends and the next begins is then part of the sum.
    parts = [f"{name}:{hashlib.sha256(content).hexdigest()}" for name, content in sorted(files.items())]
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()


class MlflowTracker:
    """Tracker on an MLflow store: a file of SQLite, a PostgreSQL database, or a tracking server.

    tracking_uri: sqlite:///…, postgresql+psycopg2://… or http://…; artifacts_dir: where model files are kept
    (a server decides that itself). Every method raises Unreachable where the store does not answer.
    """

    def __init__(self, tracking_uri: str, artifacts_dir: Path) -> None:
        self.tracking_uri, self.artifacts_dir = tracking_uri, artifacts_dir

    @property
    def is_begun(self) -> bool:
        """False where nothing was ever logged: the store is a file that is not there, and takes seconds to make."""
        return not self.tracking_uri.startswith(SQLITE) or Path(self.tracking_uri.removeprefix(SQLITE)).is_file()

    def log_model(self, name: str, files: Mapping[str, bytes], record: ModelRecord) -> LoggedModel:
        """Register the files as the next version; the newest version with the same checksum is returned instead."""
        checksum = files_checksum(files)
        with self._reaching():
            known = self._newest(name, record.about)
            if known is not None and known.checksum == checksum:
                return known
            from mlflow.entities import Dataset, DatasetInput, Metric, Param, RunTag
            from mlflow.utils.time import get_current_time_millis

            experiment = self._experiment_id(record.tags.get("kind", ""))
            run = self._client.create_run(experiment, run_name=record.title or name, tags={NOTE: record.card})
            run_id = str(run.info.run_id)
            moment = get_current_time_millis()
            tags = {**record.tags, "checksum": checksum, "dataset_digest": record.dataset_digest}
            self._client.log_batch(
                run_id,
                metrics=[Metric(key, value, moment, 0) for key, value in record.metrics.items()],
                params=[Param(key, value) for key, value in record.params.items()],
                tags=[RunTag(key, value) for key, value in tags.items()],
            )
            dataset = Dataset(
                name=record.dataset_name,
                digest=record.dataset_digest[:MLFLOW_DIGEST_LENGTH],
                source_type="meterloom_lake",
                source=record.dataset_digest,
            )
            self._client.log_inputs(run_id, datasets=[DatasetInput(dataset)])
            self._upload(run_id, FILES_FOLDER, files)
            self._client.set_terminated(run_id)
            # Last of all: a run that died half-way has files, and is no version.
            return self._register(name, record, checksum, run)

    def log_models(
        self, title: str, given: Sequence[tuple[str, Mapping[str, bytes], ModelRecord]]
    ) -> list[LoggedModel]:
        """As `log_model` of many names at once, each name once; in order. Many share one run of that title."""
        if len(given) <= RUNS_OF_THEIR_OWN:
            return [self.log_model(*each) for each in given]
        found = {name: files_checksum(files) for name, files, _ in given}
        with self._reaching():
            known = {name: self._newest(name, record.about) for name, _, record in given}
            logged = {name: last for name, last in known.items() if last and last.checksum == found[name]}
            new = [each for each in given if each[0] not in logged]
            run = self._log_shared(title, new) if new else None
            for name, _, record in new:
                logged[name] = self._register(name, record, found[name], run, f"{FILES_FOLDER}/{name}")
        return [logged[name] for name, _, _ in given]

    def load_files(self, name: str, version: int) -> dict[str, bytes]:
        """The files of one version. Raises BadInput for an unknown version, OurFault where the checksum differs."""
        found = next((known for known in self.versions(name) if known.version == version), None)
        if found is None:
            raise BadInput(f"no version {version} of model {name!r} is registered", reason="unknown_model")
        with self._reaching(), tempfile.TemporaryDirectory() as folder:
            where = found.tags.get(FOLDER, FILES_FOLDER)
            fetched = Path(self._client.download_artifacts(found.run_id, where, folder))
            files = {path.name: path.read_bytes() for path in sorted(fetched.iterdir())}
        if files_checksum(files) != found.checksum:
            raise OurFault(f"the files of model {name!r} version {version} differ from those that were registered")
        return files

    def versions(self, name: str) -> list[LoggedModel]:
        """Every version of that name, oldest first; empty for an unknown name."""
        with self._reaching():
            found = self._client.search_model_versions(f"name = '{name}'")
        return sorted((_logged(version) for version in found), key=lambda logged: logged.version)

    def names(self, prefix: str = "") -> list[str]:
        """Every registered name, or those that begin so."""
        found, page, query = [], None, f"name LIKE '{prefix}%'" if prefix else None
        with self._reaching():
            # A page holds a hundred, whatever the total.
            while page is None or page.token:
                page = self._client.search_registered_models(query, 1000, page_token=page.token if page else None)
                found += [model.name for model in page]
        # Where LIKE ignores case, it also finds others.
        return sorted(name for name in found if name.startswith(prefix))

    def metrics(self, run_id: str) -> dict[str, float]:
        """The metrics that a run logged."""
        with self._reaching():
            return {name: float(value) for name, value in self._client.get_run(run_id).data.metrics.items()}

    def add_files(self, run_id: str, folder: str, files: Mapping[str, bytes]) -> None:
        """Put files next to those of a run, in a folder of their own."""
        with self._reaching():
            self._upload(run_id, folder, files)

    def describe(self, logged: LoggedModel, card: str, tags: Mapping[str, str]) -> None:
        """Replace the card of a version, Markdown, and set these tags of it."""
        with self._reaching():
            self._client.update_model_version(logged.name, str(logged.version), card)
            for key, value in tags.items():
                self._client.set_model_version_tag(logged.name, str(logged.version), key, value)

    def set_alias(self, name: str, alias: str, version: int) -> None:
        """Point the alias to that version."""
        with self._reaching():
            self._client.set_registered_model_alias(name, alias, str(version))

    def delete_alias(self, name: str, alias: str) -> None:
        """Take the alias away, where it exists."""
        if self.get_alias(name, alias) is not None:
            with self._reaching():
                self._client.delete_registered_model_alias(name, alias)

    def get_alias(self, name: str, alias: str) -> int | None:
        """The version that the alias points to; None where there is no such model or alias."""
        with self._reaching():
            found = self._client.search_registered_models(f"name = '{name}'")
        aliases = found[0].aliases if found else {}
        return int(aliases[alias]) if alias in aliases else None

    @cached_property
    def _client(self) -> Any:
        for variable, value in ENVIRONMENT.items():
            # What the user has set stands.
            os.environ.setdefault(variable, value)
        from mlflow import MlflowClient

        if self.tracking_uri.startswith(SQLITE):
            Path(self.tracking_uri.removeprefix(SQLITE)).parent.mkdir(parents=True, exist_ok=True)
        return MlflowClient(tracking_uri=self.tracking_uri, registry_uri=self.tracking_uri)

    def _experiment_id(self, kind: str) -> str:
        name, about = EXPERIMENTS.get(kind, EXPERIMENTS[""])
        found = self._client.get_experiment_by_name(name)
        if found is not None:
            return str(found.experiment_id)
        is_server = self.tracking_uri.startswith("http")
        # Absolute: MLflow would take a relative folder from wherever the next process starts.
        location = None if is_server else self.artifacts_dir.resolve().as_uri()
        made = self._client.create_experiment(name, artifact_location=location, tags={NOTE: about, **MODEL_TRAINING})
        if not is_server:
            # MLflow's own, which is empty: on a server it is somebody else's.
            others = ", ".join(other for other, _ in EXPERIMENTS.values())
            self._client.set_experiment_tag(DEFAULT, NOTE, f"MLflow's own, empty: models stand in {others}.")
        return str(made)

    def _newest(self, name: str, about: str) -> LoggedModel | None:
        """The newest version of that name, which is registered where it was not: that costs half of asking first."""
        from mlflow.exceptions import MlflowException

        try:
            self._client.create_registered_model(name, description=about)
            return None
        except MlflowException as fault:
            if fault.error_code != "RESOURCE_ALREADY_EXISTS":
                raise
        newest = self._client.search_model_versions(f"name = '{name}'", 1, ["version_number DESC"])
        return _logged(newest[0]) if newest else None

    def _register(
        self, name: str, record: ModelRecord, checksum: str, run: Any, folder: str = FILES_FOLDER
    ) -> LoggedModel:
        tags = {**record.tags, "checksum": checksum, "dataset_digest": record.dataset_digest}
        tags |= {} if folder == FILES_FOLDER else {FOLDER: folder}
        source = f"{run.info.artifact_uri}/{folder}"
        made = self._client.create_model_version(name, source, run.info.run_id, tags=tags, description=record.card)
        return LoggedModel(
            name=name, version=int(made.version), run_id=str(run.info.run_id), checksum=checksum, tags=tags
        )

    def _log_shared(self, title: str, given: Sequence[tuple[str, Mapping[str, bytes], ModelRecord]]) -> Any:
        """One run for all: their files in folders of their names, their numbers in a table next to them."""
        first = given[0][2]
        same = {key: value for key, value in first.tags.items() if all(r.tags.get(key) == value for _, _, r in given)}
        run = self._client.create_run(self._experiment_id(first.tags.get("kind", "")), run_name=title, tags=same)
        table = [{"model": name, **record.params, **record.metrics} for name, _, record in given]
        with tempfile.TemporaryDirectory() as here:
            for name, files, _ in given:
                folder = Path(here) / FILES_FOLDER / name
                folder.mkdir(parents=True)
                for file, content in files.items():
                    (folder / file).write_bytes(content)
            (Path(here) / TABLE).write_text(json.dumps(table, indent=1), encoding="utf-8")
            self._client.log_artifacts(run.info.run_id, here)
        self._client.set_terminated(run.info.run_id)
        return run

    def _upload(self, run_id: str, folder: str, files: Mapping[str, bytes]) -> None:
        with tempfile.TemporaryDirectory() as here:
            for file, content in files.items():
                (Path(here) / file).write_bytes(content)
            self._client.log_artifacts(run_id, here, folder)

    @contextmanager
    def _reaching(self) -> Iterator[None]:
        """Turn "does not answer" into Unreachable; any other complaint of MLflow passes."""
        self._probe()
        self._client  # noqa: B018  # opened here, so that its own failure is reported like any other
        from mlflow.exceptions import MlflowException

        try:
            yield
        except MlflowException as fault:
            if fault.error_code in {"INTERNAL_ERROR", "TEMPORARILY_UNAVAILABLE"}:
                raise Unreachable(f"the model registry at {self._shown} does not answer: {fault}") from fault
            raise

    def _probe(self) -> None:
        """Ask the server before MLflow does: a refused database connection is retried there for minutes."""
        parts = urlsplit(self.tracking_uri)
        if parts.scheme.startswith("postgresql"):
            from assets.stores.postgres import ensure_schema

            # MLflow's migrations make tables but no schema, and a role without the right gets a sentence here.
            ensure_schema(self.tracking_uri)
            return
        if parts.hostname is None:
            return
        default = 443 if parts.scheme == "https" else 80
        try:
            socket.create_connection((parts.hostname, parts.port or default), timeout=PROBE_TIMEOUT_S).close()
        except OSError as fault:
            raise Unreachable(f"the model registry at {self._shown} does not answer: {fault}") from fault

    @property
    def _shown(self) -> str:
        """Address of the store, without user and password."""
        parts = urlsplit(self.tracking_uri)
        if parts.scheme.startswith("postgresql"):
            return address_of(self.tracking_uri)
        return f"{parts.scheme}://{parts.hostname}" if parts.hostname else self.tracking_uri


def _logged(version: Any) -> LoggedModel:
    tags = dict(version.tags)
    return LoggedModel(
        name=version.name,
        version=int(version.version),
        run_id=str(version.run_id),
        checksum=tags.get("checksum", ""),
        tags=tags,
    )
