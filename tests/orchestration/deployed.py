"""Command lines and environments of `deploy`, as a service manager reads them: compose services and systemd units."""

import re
import shlex
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import yaml

from tests.conftest import ROOT

DEPLOY = ROOT / "deploy"
CONTAINER, SYSTEMD = DEPLOY / "container", DEPLOY / "systemd"
# Where both find the project and the programs.
PROJECT, PROGRAMS = "/var/lib/meterloom", "/opt/meterloom/.venv/bin"
SECRETS = "/run/secrets"


class Started(NamedTuple):
    """One process of a deployment. words: with the image's entry point; check: command of its health, empty: none."""

    words: list[str]
    environment: dict[str, str]
    check: list[str]


@cache
def compose(**variables: str) -> dict[str, Any]:
    """compose.yaml with its variables filled in; each has a default."""
    text = (CONTAINER / "compose.yaml").read_text()
    found: dict[str, Any] = yaml.safe_load(
        re.sub(r"\$\{(\w+):-([^}]*)\}", lambda each: variables.get(each[1], each[2]), text)
    )
    return found


def image() -> dict[str, Any]:
    """Lines of the Containerfile's last stage by instruction: ENV as names and values, others as lists of texts."""
    found: dict[str, Any] = {"ENV": {}}
    for line in instructions()[-1]:
        name, _, rest = line.partition(" ")
        if name == "ENV":
            found["ENV"] |= dict(each.split("=", 1) for each in shlex.split(rest))
        else:
            found.setdefault(name, []).append(rest.strip())
    return found


def instructions() -> list[list[str]]:
    """Instructions of the Containerfile, each on one line, by stage; the first is before any stage."""
    text = re.sub(r"^#.*\n", "", (CONTAINER / "Containerfile").read_text(), flags=re.MULTILINE).replace("\\\n", " ")
    stages: list[list[str]] = [[]]
    for line in filter(None, (re.sub(r"\s+", " ", each).strip() for each in text.splitlines())):
        if line.startswith("FROM "):
            stages.append([])
        stages[-1].append(line)
    return stages


def of_compose(role: str, **variables: str) -> Started:
    """A service of the image as compose starts it."""
    service = compose(**variables)["services"][role]
    entry = service.get("entrypoint") or yaml.safe_load(image()["ENTRYPOINT"][-1])
    # A service that says nothing of its health has the image's.
    own = ["CMD", *yaml.safe_load(image()["HEALTHCHECK"][-1].partition("CMD ")[2])]
    check = service.get("healthcheck", {"test": own}).get("test", ["CMD"])
    return Started([*entry, *service["command"]], image()["ENV"] | service["environment"], check[1:])


def of_systemd(unit: str, instance: str) -> Started:
    """A unit as systemd starts it; its secrets come from a file of the machine's owner."""
    found = dict(re.findall(r"^([A-Za-z]+)=(.*)$", (SYSTEMD / unit).read_text(), re.MULTILINE))
    return Started(shlex.split(found["ExecStart"].replace("%i", instance)), {}, [])


def here(started: Started, places: dict[str, str]) -> Started:
    """The same on this machine: paths and values by what they begin with."""

    def placed(text: str) -> str:
        for old, new in places.items():
            text = text.replace(old, new)
        return text

    environment = {name: placed(value) for name, value in started.environment.items()}
    return Started([placed(each) for each in started.words], environment, [placed(each) for each in started.check])


def known_names(folder: Path) -> set[str]:
    """Variables of ours that files below a folder speak of."""
    text = "".join(path.read_text() for path in folder.rglob("*") if path.is_file())
    return set(re.findall(r"\bMETERLOOM_[A-Z]+(?:_[A-Z]+)*(?:__[A-Z_]+)?\b", text))
