"""Typed settings of a project: defaults < meterloom.yaml < environment (METERLOOM_SECTION__KEY, or the same with _FILE
behind it and a file that holds the value: secrets of systemd and containers).
"""

import difflib
import ipaddress
import os
import sys
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field, model_validator

from data_quality.contracts.database import DatabaseSettings
from data_quality.contracts.errors import BadInput
from data_quality.contracts.log import FORMAT_VARIABLE
from data_quality.contracts.model import Model
from data_quality.contracts.text import decoded
from data_quality.contracts.yaml_file import BadConfiguration, Problem, load_yaml, validate_document

SETTINGS_FILE = "meterloom.yaml"
ENVIRONMENT_PREFIX = "METERLOOM_"
READINGS_PATH = "/api/v1/readings"
NEVER_REMOVED = frozenset({
    "lake", "readings", "manifest", "baselines", "factors", "bills", "reports", "revisions", "figures", "traces",
    "evidence", "commands", "decisions", "signatures", "audit", "ledgers",
})  # fmt: skip
# These name the project itself or switch the process, and are read by the shells.
OTHER_VARIABLES = frozenset(
    {"METERLOOM_PROJECT", "METERLOOM_HOME", "METERLOOM_KEYS", "METERLOOM_PARTITIONS_FROM_READINGS", FORMAT_VARIABLE}
)


def _network(text: str) -> str:
    ipaddress.ip_network(text)
    return text


TrustedProxies = Annotated[
    tuple[Annotated[str, AfterValidator(_network)], ...],
    Field(description="Addresses and networks whose X-Forwarded-For is believed; empty: nobody's"),
]


class PathSettings(Model):
    """Folders, relative to the project folder unless absolute."""

    sites: str = "sites"
    people: str = "people.yaml"
    organisation: str = "organisation.yaml"
    landing: str = "landing"
    data: str = Field(default="var", description="Lake, stores, marts, quarantine, Dagster and MLflow state")
    lake: str = Field(
        default="",
        pattern=r"^(s3://[a-z0-9][a-z0-9.-]+(/[\w.=-]+)*/?)?$",
        description="s3://BUCKET/PREFIX that keeps the lake's files; DATA/lake then holds copies. Empty: DATA/lake",
    )
    reports: str = "reports"
    keys: str = Field(default="keys", description="Private keys of people; METERLOOM_KEYS names another folder")
    anchors: str = Field(default="", description="What the store holds, noted outside of it; empty: DATA/anchors")
    anchors_also: str = Field(default="", description="The same once more, on another disk or machine; empty: nowhere")


class MqttSettings(Model):
    """The broker. Port 0 lets `meterloom up` and the demo choose a free one."""

    host: str = "127.0.0.1"
    port: int = Field(default=1883, ge=0, le=65535)
    username: str = ""
    password: str = Field(default="", description="Secret: masked wherever settings are shown")
    tls: bool = Field(
        default=False, description="The broker of `meterloom up` speaks TLS alone; its certificate: DATA/broker/tls"
    )
    ca_file: str = Field(
        default="",
        description="Certificates that vouch for the broker (PEM, absolute path): then TLS, and nothing else",
    )


class HomeAssistantSettings(Model):
    """Home Assistant's broker, to which plan, forecasts, cost and savings are offered; without a host nothing is."""

    host: str = ""
    port: int = Field(default=1883, ge=1, le=65535)
    username: str = ""
    password: str = Field(default="", description="Secret: masked wherever settings are shown")
    ca_file: str = Field(default="", description="Certificates that vouch for the broker (PEM, absolute path)")
    prefix: str = Field(default="homeassistant", pattern=r"^[A-Za-z0-9_/-]{1,80}$", description="Of its MQTT discovery")
    is_offered: bool = Field(default=True, description="false: what was offered is taken back")


class ServerSettings(Model):
    """Addresses that `meterloom up` serves on. Dagster and MLflow: on this machine alone, behind a sign-in."""

    dagster_port: int = Field(default=3000, ge=0, le=65535)
    mlflow_port: int = Field(default=5000, ge=0, le=65535)
    # Modbus's own port is 502, which only root may open.
    modbus_port: int = Field(default=5020, ge=0, le=65535)
    agent_port: int = Field(default=0, ge=0, le=65535, description="Agent's health, metrics and stop; 0: a free one")
    collector_port: int = Field(default=0, ge=0, le=65535, description="Collector's health and metrics; 0: a free one")
    receive_port: int = Field(default=0, ge=0, le=65535, description="The same of what is pushed; 0: a free one")
    code_port: int = Field(
        default=0, ge=0, le=65535, description="Dagster's code server, one for all; 0: each part loads the code itself"
    )
    web_port: int = Field(default=8600, ge=0, le=65535, description="Pages and API")
    web_host: str = Field(default="127.0.0.1", description="Another address lets in the network, over TLS alone")
    certificate_file: str = Field(default="", description="Of the pages: chain of the certificate (PEM, absolute path)")
    key_file: str = Field(default="", description="Of the pages: its private key (PEM, absolute path)")
    public_url: str = Field(default="", description="Where people reach the pages, where a proxy stands before them")
    as_of_mb: int = Field(default=5120, ge=1, le=1_000_000, description="Disk for marts of past instants, newest kept")
    trusted_proxies: TrustedProxies = ()
    patience_s: float = Field(
        default=10, gt=0, le=600, description="Seconds for a request's head and a pause in its body; pushed ones too"
    )

    @property
    def web_url(self) -> str:
        """Address of the pages, without a stroke at its end."""
        return self.public_url.rstrip("/") or self.bound_url(self.web_port)

    def bound_url(self, port: int) -> str:
        """URL at which the pages listen, behind any proxy; an address of IPv6 in its brackets."""
        host = f"[{self.web_host}]" if ":" in self.web_host else self.web_host
        return f"{'https' if self.certificate_file else 'http'}://{host}:{port}"

    @property
    def check_at(self) -> dict[str, str]:
        """Where anybody checks a report, as its versions keep it; empty where pages have no public address."""
        return {"check_at": f"{self.public_url.rstrip('/')}/check"} if self.public_url else {}


class PushSettings(Model):
    """Where machines push readings to: POST http://host:port/api/v1/readings, with a key of `meterloom keys issue`."""

    host: str = Field(default="127.0.0.1", description="Another address lets in the network, over TLS alone")
    port: int = Field(default=8610, ge=0, le=65535)
    certificate_file: str = Field(default="", description="Chain of the server's certificate (PEM, absolute path)")
    key_file: str = Field(default="", description="Its private key (PEM, absolute path)")
    trusted_proxies: TrustedProxies = ()

    @property
    def url(self) -> str:
        """Address that readings are posted to."""
        return f"http{'s' if self.certificate_file else ''}://{self.host}:{self.port}{READINGS_PATH}"


def check_bind(section: str, host: str, certificate_file: str, key_file: str, *, is_proxied: bool = False) -> None:
    """Raises BadInput for an address at which keys and passwords would be read by others. is_proxied: a proxy that
    we trust speaks TLS for us.
    """
    try:
        is_near = ipaddress.ip_address(host).is_loopback
    except ValueError:
        is_near = host == "localhost"
    for name, named in (("certificate_file", certificate_file), ("key_file", key_file)):
        if named and not Path(named).is_file():
            raise BadInput(f"{section}.{name}: no such file {named}", reason="no_certificate")
        if not named and (not (is_near or is_proxied) or certificate_file or key_file):
            raise BadInput(
                f"{host} of {section} is reached with a certificate and its key alone: {section}.{name} is missing",
                reason="no_certificate",
                mend=f"name certificate_file and key_file under {section} in meterloom.yaml, or stay at 127.0.0.1",
            )


class OcppSettings(Model):
    """Where charge points connect to: ws://host:port/ocpp/NAME. The password of each stands in KEYS/NAME.key."""

    host: str = Field(default="127.0.0.1", description="0.0.0.0 lets in chargers of the network")
    port: int = Field(default=9180, ge=0, le=65535)
    keys: str = Field(default="keys/ocpp", description="Folder, relative to the project folder unless absolute")


class LiveSettings(Model):
    """Disk limits of live readings until they have become files."""

    spool_mb: int = Field(default=2048, ge=1, le=1_000_000, description="Of one site; then nothing is acknowledged")
    keep_free_mb: int = Field(default=256, ge=0, le=1_000_000, description="Left to the ledger on the same disk")


class ReportSettings(Model):
    """Settings of reports."""

    accuracy_profile: str = "g14_prescriptive"
    confidence: float = Field(default=0.9, gt=0, lt=1)
    packs: dict[str, tuple[str, ...]] = Field(default={}, description="Made each year, by site or organisation")


class DeliverySettings(Model):
    """Where published reports go: a folder, mail, a webhook. An empty one is not used."""

    folder: str = Field(default="", description="Relative to the project folder unless absolute")
    smtp_host: str = ""
    # Submission with STARTTLS (RFC 6409); on 465 TLS begins with the first byte, 25 is for servers alone.
    smtp_port: int = Field(default=587, ge=1, le=65535)
    smtp_tls: bool = Field(default=True, description="STARTTLS before anything is said")
    smtp_username: str = ""
    smtp_password: str = Field(default="", description="Secret: masked wherever settings are shown")
    mail_from: str = ""
    mail_to: tuple[str, ...] = ()
    webhook_url: str = Field(default="", description="https, or http to this machine")
    webhook_secret: str = Field(default="", description="Secret: signs what is posted (HMAC-SHA256)")
    attempts: int = Field(default=3, ge=1, le=10)
    timeout_s: float = Field(default=15, gt=0, le=120)


class NoticeSettings(Model):
    """Channels of notices, other than mail and the webhook secret of section delivery."""

    push_url: str = Field(
        default="", description="Of a push server in the manner of ntfy: https, or http to this machine"
    )
    push_token: str = Field(default="", description="Secret: what the push server asks for")
    webhook_hosts: tuple[str, ...] = Field(
        default=(), description="May be at a private address; public ones always may"
    )
    look_s: float = Field(default=60, ge=1, le=3600, description="Seconds between two looks at what is open")


class AdviceSettings(Model):
    """A language model that words sentences of recommendations; it gets one sentence, no tool, and no other data."""

    wording: str = Field(
        default="",
        description="Of an OpenAI-compatible server, as http://127.0.0.1:8080/v1: https, or http to this machine. "
        "Empty: sentences alone",
    )
    model: str = Field(default="", description="Its name at that server")


class RetentionSettings(Model):
    """Ages of copies of what came in, of features and logs, until `meterloom retention apply`; each has its floor."""

    landing_months: int = Field(default=13, ge=13, le=1200, description="Files that were taken in, in landing")
    quarantine_months: int = Field(default=24, ge=24, le=1200, description="Copies of files that were refused")
    features_months: int = Field(default=13, ge=13, le=1200, description="Features of forecasts, by their local day")
    logs_days: int = Field(default=30, ge=30, le=36_500, description="Logs that nothing writes to any more")

    @model_validator(mode="before")
    @classmethod
    def _keeps_the_ground(cls, given: Any) -> Any:
        """Refuse an age for anything that published figures rest on."""
        for key in given if isinstance(given, Mapping) else ():
            if str(key).split("_")[0] in NEVER_REMOVED:
                raise ValueError(f"{key}: published figures rest on it, and nothing removes it; take the key out")
        return given


class WorkSettings(Model):
    """Where work that comes in many like tasks is done: fits, forecasts, reports."""

    backend: Literal["serial", "pool", "dask"] = Field(
        default="serial", description="This process; processes of this machine; workers of a Dask cluster"
    )
    workers: int = Field(default=0, ge=0, le=1024, description="Processes of the pool; 0: one a core")
    address: str = Field(default="", description="Of the scheduler: tls://HOST:PORT; tcp:// to this machine alone")
    ca_file: str = Field(default="", description="Certificates that vouch for scheduler and workers (PEM)")
    certificate_file: str = Field(default="", description="By which we are known to them (PEM)")
    key_file: str = Field(default="", description="Its private key (PEM)")
    wait_s: float = Field(default=30, gt=0, le=600, description="For a worker, where none is left; then a finding")


class Settings(Model):
    """All settings of one project folder."""

    paths: PathSettings = PathSettings()
    database: DatabaseSettings = DatabaseSettings()
    mqtt: MqttSettings = MqttSettings()
    home_assistant: HomeAssistantSettings = HomeAssistantSettings()
    server: ServerSettings = ServerSettings()
    ocpp: OcppSettings = OcppSettings()
    push: PushSettings = PushSettings()
    live: LiveSettings = LiveSettings()
    report: ReportSettings = ReportSettings()
    delivery: DeliverySettings = DeliverySettings()
    notices: NoticeSettings = NoticeSettings()
    advice: AdviceSettings = AdviceSettings()
    work: WorkSettings = WorkSettings()
    retention: RetentionSettings = RetentionSettings()


class Project(Model):
    """A project folder with its settings: every path that the rooms are given comes from here."""

    root: Path
    settings: Settings

    def _at(self, name: str) -> Path:
        # pathlib drops the root before an absolute name.
        return self.root / name

    @cached_property
    def sites_dir(self) -> Path:
        """Site files, one YAML each."""
        return self._at(self.settings.paths.sites)

    @cached_property
    def site_texts_dir(self) -> Path:
        """Texts of site files that were replaced, SITE/INSTANT.HASH.PERSON.yaml."""
        return self.data_dir / "site_texts"

    @cached_property
    def people_file(self) -> Path:
        """People and their roles."""
        return self._at(self.settings.paths.people)

    @cached_property
    def organisation_file(self) -> Path:
        """Entities, who owns them, and the sites of each."""
        return self._at(self.settings.paths.organisation)

    @cached_property
    def landing_dir(self) -> Path:
        """Folder in which meter files arrive: landing/<site_id>/<file>."""
        return self._at(self.settings.paths.landing)

    @cached_property
    def data_dir(self) -> Path:
        """Folder of everything the project itself writes, except reports."""
        return self._at(self.settings.paths.data)

    @cached_property
    def lake_dir(self) -> Path:
        """The Parquet lake."""
        return self.data_dir / "lake"

    @cached_property
    def marts_dir(self) -> Path:
        """Published marts as Parquet."""
        return self.data_dir / "marts"

    @cached_property
    def as_of_dir(self) -> Path:
        """Folder of marts as of requested instants; they can be built again."""
        return self.data_dir / "as_of"

    @cached_property
    def quarantine_dir(self) -> Path:
        """Files and rows that were refused."""
        return self.data_dir / "quarantine"

    @cached_property
    def live_dir(self) -> Path:
        """Spools of live readings and the live store: on this machine, wherever the ledger is."""
        return self.data_dir / "live"

    @cached_property
    def limits_dir(self) -> Path:
        """Limits of meters for the minute, a file a site, from the nightly scoring of anomalies."""
        return self.data_dir / "anomaly_limits"

    @cached_property
    def reports_dir(self) -> Path:
        """Rendered reports."""
        return self._at(self.settings.paths.reports)

    @cached_property
    def keys_dir(self) -> Path:
        """Private keys of people, readable by their owner alone."""
        return self._at(self.settings.paths.keys)

    @cached_property
    def anchors_dir(self) -> Path:
        """Folder of the ends of the ledger's chain, outside the database; best on another disk."""
        return self._at(self.settings.paths.anchors) if self.settings.paths.anchors else self.data_dir / "anchors"

    @cached_property
    def anchors_dirs(self) -> tuple[Path, ...]:
        """The same, and the second place where there is one."""
        also = self.settings.paths.anchors_also
        return (self.anchors_dir, self._at(also)) if also else (self.anchors_dir,)

    @cached_property
    def warehouse_file(self) -> Path:
        """The DuckDB warehouse, where no PostgreSQL is set."""
        return self.data_dir / "warehouse" / "meterloom.duckdb"

    @cached_property
    def store_url(self) -> str:
        """SQLAlchemy URL of the transactional store."""
        return self.settings.database.of("store", driver="psycopg") or f"sqlite:///{self.data_dir / 'store.db'}"

    @cached_property
    def mlflow_uri(self) -> str:
        """Tracking store of MLflow."""
        return self.settings.database.of("mlflow", driver="psycopg2") or f"sqlite:///{self.data_dir}/mlflow/mlflow.db"

    @cached_property
    def mlflow_artifacts_dir(self) -> Path:
        """Address at which MLflow keeps model files."""
        return self.data_dir / "mlflow" / "artifacts"


def secrets_in(settings: Settings) -> tuple[str, ...]:
    """The keys (section.key) that hold a secret: passwords, and URLs with a password."""
    given = {
        f"{section}.{key}": str(getattr(getattr(settings, section), key))
        for section in Settings.model_fields
        for key, field in type(getattr(settings, section)).model_fields.items()
        if (field.description or "").startswith("Secret")
    }
    # An address without a password is none: a socket, or a trusting server.
    return tuple(key for key, value in given.items() if (urlsplit(value).password if "://" in value else value))


def load_settings(path: Path, env: Mapping[str, str]) -> Settings:
    """Settings from file and environment. A missing file means defaults.

    Raises BadConfiguration for an unknown key, with file and line, or the variable's name; and for a file that holds a
    secret and can be read by others.
    """
    document: Any = load_yaml(path) if path.exists() else {}
    # The file alone first, so that its faults name lines; then each variable alone, to be named by its own.
    written = secrets_in(validate_document(document, Settings, str(path)))
    # As ssh does it: what others of this machine can read is no secret any more.
    if written and os.name == "posix" and path.stat().st_mode & 0o077:
        message = f"{', '.join(written)}: secret, in a file that others can read"
        mend = f"chmod 600 {path}, or name it in the environment ({ENVIRONMENT_PREFIX}SECTION__KEY)"
        raise BadConfiguration([Problem(file=str(path), line=0, column=0, message=message, mend=mend)])
    merged: dict[str, dict[str, Any]] = {
        section: dict(values) for section, values in dict(document).items() if values is not None
    }
    for variable, section, key, value in overrides(env):
        merged.setdefault(section, {})[key] = value
        try:
            validate_document({section: {key: value}}, Settings, f"environment variable {variable}")
        except BadConfiguration as fault:
            first = fault.problems[0]
            raise BadConfiguration([first.model_copy(update={"line": 0, "column": 0})]) from fault
    return validate_document(merged, Settings, str(path))


def load_project(root: Path, env: Mapping[str, str]) -> Project:
    """The project folder with its settings. Raises BadConfiguration, BadInput as `named_in_text`."""
    return Project(root=named_in_text(root), settings=load_settings(root / SETTINGS_FILE, env))


def named_in_text(root: Path) -> Path:
    """The whole path of a project folder. Raises BadInput where it is no text in the encoding of this machine."""
    found = root.resolve()
    if (name := decoded(str(found))) != str(found):
        encoding = sys.getfilesystemencoding()
        raise BadInput(
            f"the project folder {name} has a name that is not in the encoding of this machine ({encoding})",
            reason="no_text",
            mend="set PYTHONUTF8=1 or a UTF-8 locale, or give the folder another name",
        )
    return found


def overrides(env: Mapping[str, str]) -> list[tuple[str, str, str, str]]:
    """Variable, section, key and value of each setting that the environment names, itself or in a file; of both the
    variable itself counts. Raises BadConfiguration.
    """
    found = []
    for variable in sorted(env):
        if not variable.startswith(ENVIRONMENT_PREFIX) or variable in OTHER_VARIABLES:
            continue
        section, separator, key = variable.removeprefix(ENVIRONMENT_PREFIX).lower().partition("__")
        fields = Settings.model_fields.get(section)
        if not separator or fields is None:
            close = difflib.get_close_matches(section, list(Settings.model_fields), n=1)
            problem = Problem(
                file=f"environment variable {variable}",
                line=0,
                column=0,
                message="unknown setting",
                mend=f"did you mean {ENVIRONMENT_PREFIX}{close[0].upper()}__…?"
                if close
                else f"expected METERLOOM_SECTION__KEY with a section of {', '.join(Settings.model_fields)}",
            )
            raise BadConfiguration([problem])
        value, named = env[variable], key.removesuffix("_file")
        # `server.certificate_file` is a setting of its own.
        if named != key and key not in (keys := fields.annotation.model_fields) and named in keys:  # type: ignore[union-attr]
            if variable.removesuffix("_FILE") in env:
                continue
            key, value = named, _held_by(Path(value), variable)
        found.append((variable, section, key, value))
    return found


def _held_by(path: Path, variable: str) -> str:
    """The value that a file holds, without the end of its line. Raises BadConfiguration."""
    try:
        value, is_open = path.read_text(encoding="utf-8").rstrip("\r\n"), bool(path.stat().st_mode & 0o007)
    except (OSError, UnicodeDecodeError) as fault:
        message, mend = (
            f"no file of text at {path}: {getattr(fault, 'strerror', '') or fault}",
            "name one that can be read",
        )
    else:
        if not (is_open and os.name == "posix"):
            return value
        message, mend = "a secret, in a file that others can read", f"chmod o-rwx {path}"
    problem = Problem(file=f"environment variable {variable}", line=0, column=0, message=message, mend=mend)
    raise BadConfiguration([problem])
