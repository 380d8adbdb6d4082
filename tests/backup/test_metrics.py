"""Metrics of a project as the pages tell them, and each alert rule over them: it fires beyond its bound, not at it."""

import operator
import os
import re
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from assets.stores.backup.last_backup import LastBackup, note_backup
from assets.stores.transactions import open_store
from controls.agent.status_port import metrics as agent_metrics
from controls.collector.main import metrics as collector_metrics
from controls.gateways.access.loopback_port import Metrics
from controls.ledger.device_lease import LEASE_S
from data_quality.contracts.settings import load_project
from data_quality.contracts.time import FixedClock
from data_quality.contracts.yaml_file import load_yaml
from orchestration.doctor.kept_checks import _BACKUP_DUE_S
from orchestration.doctor.role_files import started, write_role
from orchestration.doctor.role_health import LEAST_FREE
from orchestration.open_project import OpenProject
from orchestration.web.api.health import LAKE_EVERY_S, add_project_metrics, by_site
from orchestration.web.app import make_app
from tests.controls.agent.plant import World
from tests.web.asking import Browser

pytestmark = pytest.mark.filterwarnings("ignore")
RULES = Path(__file__).resolve().parents[2] / "deploy" / "prometheus" / "meterloom.rules.yml"
NOW = datetime(2026, 12, 1, 12, tzinfo=UTC)
Samples = dict[str, list[float]]
COMPARES = {"==": operator.eq, ">": operator.gt, "<": operator.lt}


class Rule(NamedTuple):
    """An expression of the form `name OP bound` or `absent(name)`."""

    metric: str
    compare: str
    bound: float

    def fires(self, samples: Samples) -> bool:
        found = samples.get(self.metric, [])
        if self.compare == "absent":
            return not found
        return any(COMPARES[self.compare](each, self.bound) for each in found)


def read_rules() -> dict[str, Rule]:
    found = {}
    for each in load_yaml(RULES)["groups"][0]["rules"]:
        match = re.fullmatch(r"(absent)\((\w+)\)|(\w+) (==|>|<) ([0-9.]+)", each["expr"])
        assert match, each["expr"]
        found[str(each["alert"])] = (
            Rule(match[2], "absent", 0.0) if match[1] else Rule(match[3], match[4], float(match[5]))
        )
    return found


PARSED = read_rules()
# Bounds are those that the product itself goes by; a rule without a row here is no rule that was looked at.
BOUNDS = {
    "MeterloomStoreDown": 0, "MeterloomSilent": 0, "MeterloomServiceDown": 0, "MeterloomDiskFull": LEAST_FREE,
    "MeterloomStoreSlow": 1, "MeterloomBackupOld": _BACKUP_DUE_S, "MeterloomBackupMissing": 0,
    "MeterloomReadingsLate": 2 * 86_400, "MeterloomMonthsStale": 0, "MeterloomOrphanFiles": 0,
    "MeterloomLakeSilent": 0, "MeterloomAgentDown": 0, "MeterloomAgentLeaseOld": LEASE_S, "MeterloomAgentStopped": 1,
    "MeterloomCommandsLatched": 0, "MeterloomDrainBehind": 0,
}  # fmt: skip


def samples_of(text: str) -> Samples:
    found: Samples = {}
    for line in text.splitlines():
        if not line.startswith("#"):
            match = re.fullmatch(r'(\w+)(?:\{[a-z]+="[^"]+"\})? (\S+)', line)
            assert match, line
            found.setdefault(match[1], []).append(float(match[2]))
    return found


def names_of(text: str) -> set[str]:
    return set(re.findall(r"^# TYPE (\w+) (?:gauge|counter)$", text, re.MULTILINE))


@pytest.fixture
def opened(works: Path) -> Iterator[OpenProject]:
    with closing(OpenProject(str(works))) as project:
        yield project


def page_of(project: OpenProject, now_utc: datetime = NOW) -> str:
    page = Metrics("meterloom_")
    add_project_metrics(page, project, now_utc)
    return page.text()


def test_the_pages_tell_the_numbers_of_the_project(opened: OpenProject) -> None:
    browser = Browser(make_app(opened, clock=FixedClock(NOW)))
    browser.address = "127.0.0.1"
    note_backup(
        opened.project,
        LastBackup(path="b", digest="0", made_utc=NOW - timedelta(hours=3), files=1, size_bytes=1),
    )
    write_role(opened.project.data_dir / "run", started("web", os.getpid()))
    answer = browser.ask("/metrics")
    assert answer.status == 200
    found = samples_of(answer.text)
    lake = list((opened.project.lake_dir / "readings").rglob("*.parquet"))
    assert found["meterloom_lake_bytes"] == [sum(path.stat().st_size for path in lake)]
    assert found["meterloom_backup_age_seconds"] == [10_800]
    assert (found["meterloom_db_up"], found["meterloom_role_up"]) == ([1], [1])
    # New, corrected, unchanged and rejected rows of three files, as their batches counted them.
    assert len(found["meterloom_readings_total"]) == 4
    assert found["meterloom_readings_total"][0] > 80_000
    (lag_s,) = found["meterloom_ingest_lag_seconds"]
    assert timedelta(days=7) < timedelta(seconds=lag_s) < timedelta(days=8)
    assert found["meterloom_web_streams"] == [0]


def test_a_file_that_no_batch_names_is_told_a_day_later(opened: OpenProject) -> None:
    stray = opened.project.lake_dir / "readings" / "site=works" / "stray.parquet"
    stray.parent.mkdir(parents=True, exist_ok=True)
    stray.write_bytes(b"left by a writer")
    os.utime(stray, (NOW.timestamp() - 23 * 3600,) * 2)
    assert samples_of(page_of(opened))["meterloom_orphan_files"] == [0]
    later = NOW + timedelta(hours=2)
    assert later.timestamp() - NOW.timestamp() > LAKE_EVERY_S
    assert samples_of(page_of(opened, later))["meterloom_orphan_files"] == [1]


def test_without_its_database_a_project_says_so_and_no_more(works: Path) -> None:
    settings = load_project(works, {"METERLOOM_DATABASE__URL": "postgresql://nobody@127.0.0.1:9/none"})
    with closing(OpenProject.of(settings)) as gone:
        found = samples_of(page_of(gone))
    assert found["meterloom_db_up"] == [0]
    assert {"meterloom_ingest_lag_seconds", "meterloom_lake_bytes", "meterloom_store_seconds"}.isdisjoint(found)
    assert PARSED["MeterloomStoreDown"].fires(found)


def test_site_files_that_cannot_be_read_hide_nothing_of_the_lake(opened: OpenProject, works: Path) -> None:
    (works / "sites" / "broken.yaml").write_text("site_id: [")
    found = samples_of(page_of(opened))
    assert found["meterloom_db_up"] == [1]
    assert "meterloom_lake_bytes" in found


def test_of_more_than_a_thousand_sites_the_largest_of_each_bucket_is_told() -> None:
    few = by_site({f"s{n}": float(n) for n in range(1000)})
    many = by_site({f"s{n}": float(n) for n in range(1001)})
    assert (len(few), few[0][0]) == (1000, '{site="s0"}')
    assert 200 < len(many) <= 256
    assert max(value for _, value in many) == 1000


def test_rules_ask_for_what_pages_collector_and_agent_tell(opened: OpenProject, tmp_path: Path) -> None:
    note_backup(opened.project, LastBackup(path="b", digest="0", made_utc=NOW, files=1, size_bytes=1))
    with closing(open_store(f"sqlite:///{tmp_path / 'agent.db'}")) as store:
        of_agent = agent_metrics(World(store).agent)
    reported = names_of(page_of(opened)) | names_of(collector_metrics([], {}, now_utc=NOW)) | names_of(of_agent)
    assert {rule.metric for rule in PARSED.values()} <= reported
    # And the manual names no metric that nobody tells.
    page = (RULES.parents[2] / "docs" / "ems" / "services.md").read_text("utf-8")
    assert set(re.findall(r"`(meterloom_\w+)", page)) <= reported


@pytest.mark.parametrize("name", PARSED)
def test_a_rule_fires_beyond_its_bound_and_not_at_it(name: str) -> None:
    rule = PARSED[name]
    assert rule.bound == BOUNDS[name]
    step = max(abs(rule.bound) * 1e-6, 1e-6)
    well, amiss = {
        "absent": ([1.0], []),
        "==": ([1.0 - rule.bound], [rule.bound]),
        ">": ([rule.bound], [rule.bound, rule.bound + step]),
        "<": ([rule.bound], [rule.bound - step]),
    }[rule.compare]
    assert not rule.fires({rule.metric: well})
    assert rule.fires({rule.metric: amiss})


def test_every_rule_is_complete_and_bounded_here() -> None:
    rules: list[dict[str, Any]] = load_yaml(RULES)["groups"][0]["rules"]
    assert [each["alert"] for each in rules] == list(BOUNDS)
    for each in rules:
        assert each["labels"]["severity"] in {"1", "2", "3"}
        assert set(each["annotations"]) == {"summary", "mend"}
        assert re.fullmatch(r"\d+[mh]", each.get("for", "1m"))
