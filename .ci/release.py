"""`make release`: wheel, hash-pinned constraints, list of components (SBOM) and their digests, of the committed files.

The same commit gives the same bytes: the sources are those of the commit, and every time in them is the commit's.
"""

import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import tomllib
import uuid
from collections.abc import Iterable, Mapping
from importlib.metadata import distribution
from itertools import chain
from pathlib import Path
from typing import Any

from packaging.requirements import Requirement

ROOT = Path(__file__).resolve().parents[1]
# A package of the lock: its name with extras, its version, where it is wanted, and its hashes.
LOCKED = re.compile(
    r"^([A-Za-z0-9_.-]+)(?:\[[^]]*\])?==([^ ;\\]+)([^\\\n]*)\\?\n((?: +--hash=sha256:\w+ ?\\?\n)+)", re.MULTILINE
)


def main(out: Path) -> None:
    """Write the release of the commit that is checked out into a folder."""
    commit, made_s = git("rev-parse", "HEAD"), git("show", "--no-patch", "--format=%ct", "HEAD")
    project = tomllib.loads(git("show", "HEAD:pyproject.toml"))["project"]
    version, lock = project["version"], wanted(git("show", "HEAD:requirements.lock") + "\n", project)
    out.mkdir(parents=True, exist_ok=True)
    names = [
        wheel(out, made_s),
        written(out / f"meterloom-{version}.constraints.txt", lock),
        written(out / f"meterloom-{version}.sbom.json", sbom(lock, version, commit)),
    ]
    sums = "".join(f"{hashlib.sha256((out / name).read_bytes()).hexdigest()}  {name}\n" for name in sorted(names))
    written(out / "SHA256SUMS", sums)
    sys.stdout.write(f"{sums}release of {commit[:8]} in {out}\n")


def git(*words: str) -> str:
    """What git says. Ends the program where it fails."""
    return subprocess.run(["git", "-C", str(ROOT), *words], check=True, capture_output=True, text=True).stdout.strip()


def wheel(out: Path, made_s: str) -> str:
    """Build the wheel of the committed files with the build back end of the lock; nothing is fetched."""
    with tempfile.TemporaryDirectory() as name:
        sources, built = Path(name) / "sources", Path(name) / "built"
        sources.mkdir()
        packed = subprocess.run(["git", "-C", str(ROOT), "archive", "HEAD"], check=True, capture_output=True).stdout
        subprocess.run(["tar", "-x", "-C", str(sources)], input=packed, check=True)
        options = ["--no-deps", "--no-index", "--no-build-isolation", "--quiet", "--wheel-dir", str(built)]
        subprocess.run(
            [sys.executable, "-m", "pip", "wheel", *options, str(sources)],
            check=True, env={**os.environ, "SOURCE_DATE_EPOCH": made_s},
        )  # fmt: skip
        (found,) = built.glob("*.whl")
        shutil.copyfile(found, out / found.name)
        return found.name


def wanted(lock: str, project: dict[str, Any]) -> str:
    """The lock without what only tests need, by who asks for each package: browsers, a database server and checkers are
    no part of what runs. project: its table in pyproject.toml.
    """
    optional = {name: each for name, each in project["optional-dependencies"].items() if name not in ("test", "docs")}
    required = [Requirement(each) for each in (*project["dependencies"], *chain(*optional.values()))]
    direct = {plain(each.name): each.extras for each in required}
    head, *blocks = re.split(r"(?m)^(?=[A-Za-z0-9])", lock)
    asked_by = {
        name_of(block): {plain(each) for each in re.findall(r"(?m)^    # (?: {2}|via )([\w.-]+)", block)}
        for block in blocks
    }
    kept = closure(asked_by, direct)
    for place, block in enumerate(blocks):
        # Extras of a package that we ask for ourselves, and that nobody else who is kept asks for, are those of tests.
        if (name := name_of(block)) in direct and not asked_by[name] & kept:
            for extra in set(re.findall(r"\w+", re.findall(r"^[\w.-]+(?:\[(.*?)\])?", block)[0])) - direct[name]:
                blocks[place] = re.sub(rf"\[{extra}\]|(?<=\[){extra},|,{extra}(?=[\],])", "", block, count=1)
                for other in only_by_extra(name, extra):
                    asked_by.get(other, set()).discard(name)
    kept = closure(asked_by, direct)
    return head + "".join(each for each in blocks if name_of(each) in kept)


def closure(asked_by: Mapping[str, set[str]], direct: Iterable[str]) -> set[str]:
    """The packages asked for, and all that these ask for in turn."""
    kept = set[str]()
    while (found := {name for name, by in asked_by.items() if by & kept} | set(direct)) > kept:
        kept = found
    return kept


def only_by_extra(name: str, extra: str) -> set[str]:
    """Packages that an installed one asks for with that extra alone."""
    known = [Requirement(each) for each in distribution(name).requires or ()]
    always = {plain(each.name) for each in known if each.marker is None or each.marker.evaluate({"extra": ""})}
    return {plain(each.name) for each in known if each.marker and each.marker.evaluate({"extra": extra})} - always


def name_of(block: str) -> str:
    """Whose hashes a part of the lock holds."""
    return plain(re.split(r"[=[]", block)[0])


def plain(name: str) -> str:
    """A package's name as indexes write it."""
    return re.sub(r"[-_.]+", "-", name).lower()


def sbom(lock: str, version: str, commit: str) -> str:
    """The locked packages as a CycloneDX document. Its serial number follows from what it says."""
    components = [
        {
            "type": "library", "name": name, "version": locked,
            "purl": f"pkg:pypi/{name.lower().replace('_', '-')}@{locked}",
            "hashes": [{"alg": "SHA-256", "content": each} for each in re.findall(r"sha256:(\w+)", hashes)],
            **({"properties": [{"name": "wanted where", "value": marker.strip(" ;")}]} if marker.strip(" ;") else {}),
        }
        for name, locked, marker, hashes in LOCKED.findall(lock)
    ]  # fmt: skip
    digest = hashlib.sha256(json.dumps(components).encode() + commit.encode()).digest()
    document = {
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "serialNumber": f"urn:uuid:{uuid.UUID(bytes=digest[:16], version=4)}",
        "version": 1,
        "metadata": {
            "component": {
                "type": "application", "name": "meterloom", "version": version, "bom-ref": f"meterloom@{version}",
                "licenses": [{"license": {"id": "Apache-2.0"}}], "properties": [{"name": "commit", "value": commit}],
            },
        },
        "components": components,
    }  # fmt: skip
    return json.dumps(document, indent=1) + "\n"


def written(path: Path, text: str) -> str:
    """Write a file; returns its name."""
    path.write_text(text, encoding="utf-8")
    return path.name


if __name__ == "__main__":
    main(Path(sys.argv[1] if len(sys.argv) > 1 else ROOT / "dist"))
