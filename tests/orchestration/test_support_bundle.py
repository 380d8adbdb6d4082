"""A support bundle holds what helps, and nothing of what is secret, wherever that was written."""

import json
import zipfile
from pathlib import Path

import pytest
from typer.testing import CliRunner

from assets.stores.transactions import open_store
from data_quality.contracts.settings import load_project
from orchestration.cli.main import build_app
from orchestration.doctor.support_bundle import LOG_BYTES, write_bundle
from tests.controls.collector.pushing import SITE

# Each at another place; none may be found in the bundle.
CANARIES = {
    "mqtt": "canary-mqtt-1f3a",
    "short": "pw1",
    "database": "canary-database-77",
    "smtp": 'canary-smtp"quoted',
    "variable": "canary-variable-9c",
    "key": "canary-key-c0ffee",
    "token": "canary-token-5e5e",
    "address": "canary-address-42",
    "named": "canary-named-8888",
}
LOG = f"""2026-01-01 connected as ems with {CANARIES["mqtt"]}
2026-01-01 could not connect to postgresql://ems:{CANARIES["address"]}@db.example/ems
2026-01-01 POST refused, Authorization: Bearer {CANARIES["named"]}
2026-01-01 token={CANARIES["named"]}; key {CANARIES["key"]}; {CANARIES["variable"]}; {CANARIES["token"]}
2026-01-01 the token is checked at each request
"""


def made(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (folder / "meterloom.yaml").write_text(
        f"mqtt: {{password: {CANARIES['mqtt']}}}\n"
        f"home_assistant: {{password: {CANARIES['short']}}}\n"
        f"delivery: {{smtp_password: {json.dumps(CANARIES['smtp'])}}}\n"
    )
    (folder / "meterloom.yaml").chmod(0o600)
    monkeypatch.setenv("METERLOOM_NOTICES__PUSH_TOKEN", CANARIES["token"])
    monkeypatch.setenv("WORKS_TOKEN", CANARIES["variable"])
    (folder / "sites").mkdir()
    (folder / "sites" / "works.yaml").write_text(SITE + "# of a source to come\n# note\n  token_env: WORKS_TOKEN\n")
    (folder / "people.yaml").write_text("people: []\n")
    (folder / "keys").mkdir()
    (folder / "keys" / "anna.key").write_text(f"-----BEGIN PRIVATE KEY-----\n{CANARIES['key']}\n-----END\n")
    (folder / "var" / "logs").mkdir(parents=True)
    (folder / "var" / "logs" / "agent.log").write_text("x" * LOG_BYTES + "\n" + LOG)
    (folder / "var" / "agent-home.token").write_text(CANARIES["token"])
    open_store(load_project(folder, {}).store_url).close()
    return folder


def test_no_secret_reaches_a_bundle_and_what_helps_does(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder, out = made(tmp_path, monkeypatch), tmp_path / "s.zip"
    done = CliRunner().invoke(build_app(), ["support-bundle", "--project", str(folder), "--out", str(out), "--json"])
    assert done.exit_code == 0, done.output
    assert json.loads(done.stdout)["path"] == str(out)
    with zipfile.ZipFile(out) as bundle:
        texts = {name: bundle.read(name).decode() for name in bundle.namelist()}
    for where, canary in CANARIES.items():
        for form in (canary, json.dumps(canary)[1:-1]):
            assert not [name for name, text in texts.items() if form in text], where
    assert set(texts) == {
        "health.json", "checks.json", "runs.json", "versions.json", "settings.json", "masked.json", "logs/agent.log"
    }  # fmt: skip
    log = texts["logs/agent.log"]
    assert "the token is checked at each request" in log
    assert "postgresql://***@db.example/ems" in log
    assert len(log) <= LOG_BYTES
    assert json.loads(texts["masked.json"])["logs/agent.log"] >= 6
    assert json.loads(texts["versions.json"])["packages"]["dagster"]
    assert (
        json.loads(texts["settings.json"])["mqtt"] | {"password": "***"} == json.loads(texts["settings.json"])["mqtt"]
    )
    assert out.stat().st_mode & 0o077 == 0


def test_a_bundle_is_made_of_a_project_whose_store_does_not_open(tmp_path: Path) -> None:
    (tmp_path / "meterloom.yaml").write_text("{}")
    (tmp_path / "var").mkdir()
    (tmp_path / "var" / "store.db").write_bytes(b"no database" * 200)
    done = CliRunner().invoke(build_app(), ["support-bundle", "--project", str(tmp_path), "--json"])
    assert done.exit_code == 0, done.output
    with zipfile.ZipFile(json.loads(done.stdout)["path"]) as bundle:
        assert "fault" in json.loads(bundle.read("runs.json"))
        assert [each["status"] for each in json.loads(bundle.read("checks.json")) if each["name"] == "configuration"]


def test_a_bundle_that_cannot_be_written_leaves_nothing(tmp_path: Path) -> None:
    project = load_project(tmp_path, {})
    out = tmp_path / "taken"
    out.mkdir()
    (out / "file").touch()
    with pytest.raises(OSError, match="taken"):
        write_bundle(out, project, {})
    assert [path.name for path in tmp_path.iterdir()] == ["taken"]
