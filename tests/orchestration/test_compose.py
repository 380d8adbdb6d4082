"""Containerfile and compose: every role, one image, nothing of root, no secret but in files, ports of the settings."""

import re
import tomllib
from collections.abc import Iterator
from fnmatch import fnmatch

import pytest
import yaml

from controls.gateways.broker import _LIMITS
from data_quality.contracts.settings import Settings, overrides
from orchestration.supervised.serve_role import OF_A_SITE, ROLES
from tests.conftest import ROOT
from tests.orchestration.deployed import (
    CONTAINER,
    DEPLOY,
    PROGRAMS,
    PROJECT,
    SECRETS,
    SYSTEMD,
    compose,
    image,
    instructions,
    known_names,
    of_compose,
    of_systemd,
)  # fmt: skip

SERVICES = compose()["services"]
# Of images that others make.
FOREIGN = {"postgres", "broker"}
OURS = sorted(set(SERVICES) - FOREIGN)


def test_every_role_has_its_service_with_the_command_line_that_starts_it() -> None:
    assert set(OURS) == {*ROLES, "migrate"}
    for role in ROLES:
        words = of_compose(role).words
        if role == "agent":
            unit = of_systemd("meterloom-agent@.service", "home").words
            assert [words[0], *words[1:]] == [
                "python",
                *(each for each in unit[1:] if each not in ("--project", PROJECT)),
            ]
            continue
        site = ["--site", "home"] if role in OF_A_SITE else []
        assert words == ["meterloom", "serve", role, *site]
        assert of_systemd("meterloom-role@.service", role).words == [
            f"{PROGRAMS}/meterloom", "serve", role, "--project", PROJECT,
        ]  # fmt: skip


@pytest.mark.parametrize("role", OURS)
def test_a_service_may_only_what_it_needs_and_holds_its_secrets_in_files(role: str) -> None:
    service = SERVICES[role]
    assert (service["read_only"], service["cap_drop"], service["network_mode"]) == (True, ["ALL"], "host")
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert service["user"] == image()["USER"][-1] == "10001:10001"
    assert service["restart"] == ("no" if role == "migrate" else "unless-stopped")
    # Longer than the 30 s in which a role ends, or who was on the way is killed on the last step.
    assert service["stop_grace_period"] == "45s"
    assert service["logging"]["options"].keys() == {"max-size", "max-file"}
    assert service["volumes"] == [f"project:{image()['ENV']['METERLOOM_PROJECT']}"]
    named = {value.removeprefix(f"{SECRETS}/") for value in service["environment"].values() if SECRETS in value}
    assert named == set(service["secrets"]) <= set(compose()["secrets"])
    assert not re.search(r"postgres(ql)?://|PASSWORD:|_PASSWORD=", yaml.safe_dump(service))


def test_what_others_made_listens_on_the_loopback_and_is_named_by_its_version() -> None:
    assert "listen_addresses=127.0.0.1" in SERVICES["postgres"]["command"]
    lines = (CONTAINER / "mosquitto.conf").read_text().splitlines()
    assert {f"listener {Settings().mqtt.port} 127.0.0.1", "allow_anonymous false", *_LIMITS} < set(lines)
    assert sum(line.startswith("listener") for line in lines) == 1
    for name in FOREIGN:
        assert re.fullmatch(r"[\w./-]+:\d[\w.-]*", SERVICES[name]["image"])
        assert "secrets" in SERVICES[name]
    for each in compose()["secrets"].values():
        assert each["file"].startswith("./secrets/")
    assert "secrets/" in (CONTAINER / ".gitignore").read_text()


def test_every_variable_is_a_setting_or_one_of_the_shells() -> None:
    for role in OURS:
        ours = {name: value for name, value in of_compose(role).environment.items() if name.startswith("METERLOOM_")}
        # Raises for a name that is none; of files only the name is looked at.
        overrides({name.removesuffix("_FILE"): value for name, value in ours.items()})
    overrides(dict.fromkeys((each.removesuffix("_FILE") for each in known_names(DEPLOY)), "1"))
    assert len(known_names(DEPLOY)) > 12


def ports() -> Iterator[tuple[str, str, int]]:
    """Section, key and number of each port of compose."""
    for _, section, key, value in overrides({k: v for k, v in SERVICES["web"]["environment"].items() if "PORT" in k}):
        yield section, key, int(value)


def test_ports_are_those_of_the_settings_and_each_is_asked_where_it_is_served() -> None:
    given = {key if section == "server" else f"{section}_{key}": number for section, key, number in ports()}
    assert len(set(given.values())) == len(given)
    for section, key, number in ports():
        default = getattr(getattr(Settings(), section), key)
        assert number == default or not default, "another than everybody expects"
    # Of these 0 is a free one, which nobody could ask.
    assert {"agent_port", "collector_port", "receive_port", "code_port"} < set(given)
    # Its own port, of the loopback and without TLS whatever the pages speak: it needs neither store nor settings.
    assert f"http://127.0.0.1:{given['agent_port']}/ready" in of_compose("agent").check[-1]
    # The others are asked as their settings say, whatever address and certificate that is.
    assert {role for role in OURS if "healthcheck" in SERVICES[role]} == {"agent", "migrate"}
    assert {tuple(of_compose(role).check) for role in set(ROLES) - {"agent"}} == {("meterloom", "health", "--here")}
    assert str(given["mqtt_port"]) in SERVICES["broker"]["healthcheck"]["test"]
    scraped = re.search(r"targets: \[(.*)\]", (ROOT / "docs" / "ems" / "services.md").read_text())
    assert scraped is not None
    assert [int(each) for each in re.findall(r":(\d+)", scraped[1])] == [
        given[key] for key in ("web_port", "agent_port", "collector_port")
    ]


def test_the_agent_needs_nothing_of_the_platform_and_ends_with_none_of_it() -> None:
    def behind(name: str) -> set[str]:
        first = set(SERVICES[name].get("depends_on", {}))
        return first.union(*(behind(each) for each in first))

    assert behind("agent") == {"migrate", "postgres"}
    for service in SERVICES.values():
        # With it compose would restart the one after the other.
        assert all("restart" not in each for each in service.get("depends_on", {}).values())
        assert "pid" not in service
    unit = (SYSTEMD / "meterloom-agent@.service").read_text()
    assert not re.search(r"^(Requires|BindsTo|PartOf|Conflicts|Requisite)=", unit, re.MULTILINE)
    for other in SYSTEMD.glob("*.service"):
        assert "meterloom-agent" not in re.sub(r"^#.*$", "", other.read_text(), flags=re.MULTILINE)


def test_whatever_ends_a_role_it_is_started_again_within_a_minute() -> None:
    for path in SYSTEMD.glob("*.service"):
        found = dict(re.findall(r"^([A-Za-z]+)=(.*)$", path.read_text(), re.MULTILINE))
        assert found["Restart"] in ("on-failure", "always")
        # Work that a timer starts ends by itself.
        if found["Type"] == "oneshot":
            continue
        # Of what is killed the start takes the rest: tests/real/test_up_owner.py measures it.
        assert float(found["RestartSec"]) <= 10
        assert float(found["TimeoutStopSec"]) > 30
        # Each of its starts may fail for a minute: given up only after that.
        assert int(found["StartLimitIntervalSec"]) == 0 or int(found.get("StartLimitBurst", 5)) >= 5
    # Docker and Podman double their pause from 0.1 s to a minute at most.
    assert {service["restart"] for name, service in SERVICES.items() if name != "migrate"} == {"unless-stopped"}


def test_the_image_is_built_of_a_release_by_its_hashes_and_runs_as_nobody() -> None:
    first, *stages = instructions()
    (base,) = (line for line in first if line.startswith("ARG BASE="))
    assert re.fullmatch(r"ARG BASE=[\w./-]+:\d[\w.-]+", base)
    assert [stage[0] for stage in stages] == ["FROM ${BASE} AS build", "FROM ${BASE}"]
    lines = [line for stage in stages for line in stage]
    assert not [line for line in lines if line.startswith(("ADD ", "MAINTAINER ", "SHELL ")) or "sudo" in line]
    assert not [line for line in lines if re.search(r"https?://|index-url|find-links|trusted-host|latest", line)]
    for line in lines:
        if "apt-get install" in line:
            assert "--no-install-recommends" in line
            assert "rm -rf /var/lib/apt/lists/*" in line
        for installs in re.findall(r"\bpip (?:--python \S+ )?install[^&]*", line):
            assert "--no-cache-dir" in installs
            assert "--require-hashes" in installs or "--no-index --no-deps" in installs.replace(
                "--no-deps --no-index", "--no-index --no-deps"
            )
    last = image()
    assert last["USER"] == ["10001:10001"]
    assert not [line for line in stages[-1][stages[-1].index("USER 10001:10001") :] if line.startswith(("RUN", "COPY"))]
    for name in ("ENTRYPOINT", "CMD", "VOLUME"):
        assert isinstance(yaml.safe_load(last[name][-1]), list)
    assert last["HEALTHCHECK"][-1].endswith('CMD ["meterloom", "health", "--here"]')
    assert not [name for name in last["ENV"] if re.search("PASSWORD|SECRET|TOKEN|URL", name)]


def test_no_layer_keeps_a_secret_and_the_last_stage_has_nothing_that_installs_or_gives_rights() -> None:
    first, build, last = instructions()
    # An argument or a variable stands in the history of the image; what is mounted does not.
    assert [line.split("=")[0] for stage in (first, build, last) for line in stage if line.startswith("ARG ")] == [
        "ARG BASE"
    ]
    (installs,) = (line for line in build if " install " in line)
    assert installs.startswith("RUN --mount=type=secret,id=pip-conf,target=/etc/pip.conf,required=false ")
    assert "-m venv --without-pip " in installs
    assert installs.count(f"-m pip --python {PROGRAMS}/python install ") == 2
    (made,) = (line for line in last if line.startswith("RUN "))
    assert not re.search(r"\bpip\b.* install |gcc|build-essential|-dev\b", made)
    assert "pip uninstall --yes --root-user-action=ignore setuptools wheel pip" in made
    assert "find / -xdev -type f -perm /6000 -exec chmod a-s {} +" in made
    # What runs may not change what runs: the programs are root's.
    assert not [line for line in last if "--chown" in line or "chown" in line]
    assert image()["STOPSIGNAL"] == ["SIGTERM"]


def test_what_the_image_copies_is_what_a_release_makes() -> None:
    version = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    made = {f"meterloom-{version}-py3-none-any.whl", f"meterloom-{version}.constraints.txt", "SHA256SUMS"}
    (copied,) = (line.split()[1:-1] for line in instructions()[1] if line.startswith("COPY "))
    assert {name for name in made if any(fnmatch(name, each) for each in copied)} == made
    assert all(any(fnmatch(name, each) for name in made) for each in copied)
    release = (ROOT / ".ci" / "release.py").read_text()
    assert all(each in release for each in ("meterloom-{version}.constraints.txt", "SHA256SUMS"))
    assert f":{version}}}" in (CONTAINER / "compose.yaml").read_text().replace("VERSION:-", "VERSION:")
    assert image()["COPY"] == ["--from=build /opt/meterloom/.venv /opt/meterloom/.venv"]
    assert image()["ENV"]["PATH"].startswith(PROGRAMS)
