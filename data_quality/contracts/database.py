"""Addresses of the state: files, or PostgreSQL with a schema for each part. Addresses are only composed here.

Meterloom's store, Dagster and MLflow each keep a table `alembic_version`; in one schema they would take each other's
for theirs (docs/adr/0013). So each part's sessions find its own schema first, through the URL's `options`.
"""

import re
from typing import Annotated, Literal
from urllib.parse import parse_qsl, quote, unquote, urlsplit

from pydantic import AfterValidator, Field

from data_quality.contracts.model import Model

Part = Literal["store", "warehouse", "dagster", "mlflow"]
# The warehouse names its schemas (lake, staging, intermediate, marts) in every statement.
SCHEMAS: dict[Part, str] = {"store": "meterloom", "warehouse": "", "dagster": "dagster", "mlflow": "mlflow"}
EXPECTED = "expected postgresql://user:password@host:port/name or postgresql:///name?host=/socket/folder"
# libpq waits for ever for a machine that swallows its packets.
CONNECT_TIMEOUT_S = 10


def _checked(url: str) -> str:
    """The URL, or ValueError in a sentence without any of it: every library below would print what it cannot read."""
    if not url:
        return url
    try:
        # Only asking for its port shows whether it is a number. A second @ is one of an unescaped password, about which
        # libraries disagree where the host begins.
        parts = urlsplit(url)
        is_readable = parts.scheme == "postgresql" and parts.port != 0 and parts.netloc.count("@") <= 1
    except ValueError:
        is_readable = False
    if not is_readable or parts.fragment or re.search(r"%(?![0-9a-fA-F]{2})|\s", url):
        raise ValueError(f"{EXPECTED}, with each of @ : / ? # % in a password written as %40, %3A, %2F, %3F, %23, %25")
    # Unquoted: it may stand there percent-encoded.
    if "search_path" in unquote(parts.query):
        raise ValueError("the schemas are Meterloom's own: leave search_path out, or name another database")
    return url


Url = Annotated[str, AfterValidator(_checked)]


class DatabaseSettings(Model):
    """One setting moves everything from files to PostgreSQL: stores, warehouse, Dagster and MLflow."""

    url: Url = Field(
        default="",
        description="Secret. Empty: SQLite and DuckDB files. Or postgresql://user:password@host/name; a query stays",
    )
    store_url: Url = Field(default="", description="Secret. Ledger, approvals, registries elsewhere; empty: as url")
    warehouse_url: Url = Field(default="", description="Secret. Readings and marts elsewhere; empty: as url")
    dagster_url: Url = Field(default="", description="Secret. Dagster's runs and events elsewhere; empty: as url")
    mlflow_url: Url = Field(default="", description="Secret. MLflow's registry elsewhere; empty: as url")
    # An old connection that is silent and a new one that is not taken must both be over within the agent's lease.
    agent_within_s: float = Field(
        default=3, ge=1, le=15, description="The agent's patience with PostgreSQL; above 3, devices end by their timers"
    )

    def of(self, part: Part, *, driver: str = "") -> str:
        """The URL of a part, for `driver` (psycopg, psycopg2; empty: libpq), its own schema first; empty: a file."""
        url = str(getattr(self, f"{part}_url")) or self.url
        if not url:
            return ""
        if "connect_timeout=" not in url:
            url += f"{'&' if '?' in url else '?'}connect_timeout={CONNECT_TIMEOUT_S}"
        if SCHEMAS[part]:
            url = with_options(url, f"-c search_path={SCHEMAS[part]}")
        return url.replace("postgresql://", f"postgresql+{driver}://", 1) if driver else url


def with_options(url: str, options: str) -> str:
    """The URL with session options (`-c name=value`) added to those that its query may hold already."""
    base, _, query = url.partition("?")
    # libpq reads no plus sign as a blank, so everything is percent-encoded.
    added = quote(options, safe="")
    items = [f"{item}%20{added}" if item.startswith("options=") else item for item in query.split("&") if item]
    if not any(item.startswith("options=") for item in items):
        items.append(f"options={added}")
    return f"{base}?{'&'.join(items)}"


def libpq_url(url: str) -> str:
    """A URL of any driver as libpq reads it."""
    return re.sub(r"^postgresql\+\w+://", "postgresql://", url)


def address_of(url: str) -> str:
    """Address in a URL, for people and logs: host:port/name of PostgreSQL, never user or password; else as it is."""
    if not url.startswith("postgresql"):
        return url
    parts = urlsplit(url)
    query = dict(parse_qsl(parts.query))
    host = query.get("host") or parts.hostname or "the local socket"
    return f"{host}:{query.get('port') or parts.port or 5432}{parts.path}"
