"""Support bundle: versions, settings, checks, health, last runs and logs in one file that may be sent to a stranger.

No reading and no figure is gathered. What is secret is masked in every text by its value: passwords and
tokens of the settings and of variables that site files name, private keys and tokens in files; and what looks like a
password in an address or behind its name is masked besides.
"""

import json
import os
import platform
import re
import sys
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from importlib import metadata
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from data_quality.contracts.log import MASK, masked
from data_quality.contracts.settings import Project, secrets_in

# Of a log its end: what happened last is asked about.
LOG_BYTES = 256 * 1024
# Shorter than this it is a word that stands in many texts: settings mask it by its place.
_SHORTEST = 6
RUNS = 200
_NAMED = re.compile(r"^\s*\w+_env:\s*['\"]?(\w+)", re.MULTILINE)
_TOKENS = ("*.token", "tools/token", "push/*.key")


def secrets_of(project: Project, env: Mapping[str, str]) -> Iterator[str]:
    """Secrets by value: of settings, environment, key files and token files. Raises OSError."""
    for key in secrets_in(project.settings):
        section, name = key.split(".")
        value = str(getattr(getattr(project.settings, section), name))
        yield urlsplit(value).password or value if "://" in value else value
    for path in sorted(project.sites_dir.glob("*.yaml")):
        yield from (env.get(name, "") for name in _NAMED.findall(path.read_text(encoding="utf-8", errors="replace")))
    files = [path for pattern in _TOKENS for path in project.data_dir.glob(pattern)]
    files += [path for path in project.keys_dir.rglob("*") if path.is_file()] if project.keys_dir.is_dir() else []
    for path in files:
        text = path.read_text(encoding="utf-8", errors="replace").strip()
        # A key in several lines is masked line by line, as a log would hold it.
        yield from (line.strip() for line in text.splitlines() if not line.startswith("-----"))


def versions() -> dict[str, Any]:
    """Python, system and installed packages."""
    packages = {each.metadata["Name"]: each.version for each in metadata.distributions()}
    return {
        "python": sys.version.split()[0],
        "system": platform.platform(),
        "encoding": sys.getfilesystemencoding(),
        "packages": dict(sorted(packages.items(), key=lambda each: each[0].lower())),
    }


def logs_of(project: Project) -> Iterator[tuple[str, str]]:
    """The end of every log of the project: name and text."""
    for path in sorted((project.data_dir / "logs").glob("*.log*")):
        with path.open("rb") as file:
            file.seek(max(0, path.stat().st_size - LOG_BYTES))
            yield f"logs/{path.name}", file.read().decode("utf-8", "replace")


def write_bundle(path: Path, project: Project, documents: Mapping[str, Any]) -> dict[str, int]:
    """Write the bundle whole. documents: name -> what is written as JSON beside settings, versions and logs.

    Returns how often each text was masked. Raises OSError.
    """
    secrets, counts = [each for each in secrets_of(project, os.environ) if len(each) >= _SHORTEST], dict[str, int]()
    settings = project.settings.model_dump(mode="json")
    for key in secrets_in(project.settings):
        section, field = key.split(".")
        # By its place too: a password may be as short as a word.
        if "://" not in str(settings[section][field]):
            settings[section][field] = MASK
    texts: Sequence[tuple[str, str]] = [
        *((f"{name}.json", _json(each)) for name, each in documents.items()),
        ("versions.json", _json(versions())),
        ("settings.json", _json(settings)),
        *logs_of(project),
    ]
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}")
    try:
        with zipfile.ZipFile(temporary, "w", zipfile.ZIP_DEFLATED) as bundle:
            for name, text in texts:
                shown, counts[name] = masked(text, secrets)
                bundle.writestr(name, shown)
            bundle.writestr("masked.json", _json(counts))
        temporary.chmod(0o600)
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
    return counts


def _json(value: Any) -> str:
    return json.dumps(value, indent=1, ensure_ascii=False, default=str)
