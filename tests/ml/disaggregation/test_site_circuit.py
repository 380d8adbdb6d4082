"""A circuit that a site file opts in: estimated from the lake, stored once, sealed, listed, shown, with a card."""

import json
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
import sqlalchemy as sa
import yaml

from assets.stores.ledgers.results import Disaggregations
from data_quality.contracts.errors import BadInput
from data_quality.contracts.reporting.disaggregation import SENTENCES, StoredDisaggregation, finding_of, worded
from data_quality.contracts.site_file.disaggregated_circuit import DisaggregatedCircuit
from data_quality.contracts.time import FixedClock
from ml.disaggregation.site_circuit import circuit_card
from orchestration.open_project import OpenProject
from orchestration.operations.readings.nilm import shown
from reports.texts.locales import page_word, rules_of
from tests.ml.disaggregation.a_shop import START, loads
from tests.orchestration.test_cli import run

NOW = FixedClock(START.replace(month=6))
SITE: dict[str, Any] = {
    "site_id": "shop", "name": "Shop", "time_zone": "UTC", "currency": "EUR", "country": "DE",
    "meters": [{"meter_id": "main"}, *({"meter_id": name, "parent": "main"} for name in ("lighting", "server"))],
    "disaggregation": [
        {"circuit": "main", "submeters": ["lighting", "server"], "train": "2025-01-06/2025-01-27"}
    ],
}  # fmt: skip
PEOPLE = "people: [{person_id: ben, name: Ben, roles: [analyst]}, {person_id: vera, name: Vera, roles: [viewer]}]\n"


def rows(weeks: int) -> pl.DataFrame:
    """Landing rows of the shop, each hour as four quarters; its sub-meters end with the campaign."""
    shop = loads(weeks)
    meters = {"main": sum(shop.values()), "lighting": shop["lighting"][:504], "server": shop["server"][:504]}
    at = pl.datetime_range(
        START, START.replace(year=2026), "15m", eager=True, closed="left", time_zone="UTC"
    )  # fmt: skip
    return pl.concat(
        [
            pl.DataFrame({"meter": name, "timestamp": at[: 4 * len(kwh)], "kwh": np.repeat(kwh / 4, 4)})
            for name, kwh in meters.items()
        ]
    )


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("nilm")
    (folder / "sites").mkdir()
    (folder / "meterloom.yaml").write_text("{}")
    (folder / "people.yaml").write_text(PEOPLE)
    (folder / "sites" / "shop.yaml").write_text(yaml.safe_dump(SITE))
    rows(5).write_csv(folder / "readings.csv", datetime_format="%Y-%m-%dT%H:%M:%SZ")
    done, _, error = run("ingest", "--site", "shop", str(folder / "readings.csv"), folder=folder)
    assert done == 0, error
    return folder


def json_of(project: Path, *words: str) -> dict[str, Any]:
    done, out, error = run(*words, "--json", folder=project)
    assert done == 0, error
    return dict(json.loads(out))


@pytest.fixture(scope="module")
def made(project: Path) -> dict[str, Any]:
    return json_of(project, "nilm", "run", "--site", "shop", "--circuit", "main", "--as", "ben")


def test_a_circuit_of_a_site_is_stored_once_and_shown_as_it_was_told(project: Path, made: dict[str, Any]) -> None:
    second = json_of(project, "nilm", "run", "--site", "shop", "--circuit", "main", "--as", "ben")
    assert second["result_id"] == made["result_id"]
    [listed] = json_of(project, "nilm", "list", "--site", "shop")["disaggregations"]
    assert listed["result_id"] == made["result_id"]
    shown = json_of(project, "nilm", "show", made["result_id"][:6])
    # What is shown has ids of its numbers besides; the signed act has none.
    assert {name: each for name, each in shown.items() if not name.startswith("figure_ids")} == made
    assert shown["figure_ids"]
    assert {"classes", "rest_kwh", "rows", "digest", "findings", "model"} <= made.keys()
    assert made["model"] == "shop.main.disaggregation v1"
    assert len(made["rows"]) == 2 * 5 * 168


def test_what_is_stored_holds_the_energies_that_are_told(made: dict[str, Any]) -> None:
    for each in made["classes"]:
        kept = sum(row["kwh"] for row in made["rows"] if row["name"] == each["name"])
        assert kept == pytest.approx(each["kwh"], abs=0.0005 * 5 * 168)
    true = loads(5)["lighting"].sum()
    [lighting] = [each for each in made["classes"] if each["name"] == "lighting"]
    assert lighting["kwh"] == pytest.approx(true, rel=0.1)


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (("--circuit", "lighting", "--as", "ben"), "opts the circuit 'lighting' into no disaggregation; it has main"),
        (("--as", "ben"), "expected a circuit of the site"),
        (("--circuit", "main", "--as", "vera"), "analyst"),
        (("--circuit", "main"), "somebody's name"),
    ],
)
def test_a_run_that_cannot_be_is_refused(project: Path, words: tuple[str, ...], sentence: str) -> None:
    done, out, error = run("nilm", "run", "--site", "shop", *words, "--json", folder=project)
    assert done == 2
    assert sentence in out + error


def test_an_id_of_none_is_refused(project: Path, made: dict[str, Any]) -> None:
    for start in ("x", ""):
        done, out, error = run("nilm", "show", start, "--json", folder=project)
        assert (done, "expected the id of one" in out + error) == (2, True)


def test_a_stored_result_that_was_changed_is_not_read(tmp_path: Path, made: dict[str, Any]) -> None:
    (tmp_path / "meterloom.yaml").write_text("{}")
    opened = OpenProject(str(tmp_path))
    fields = {name: made[name] for name in ("site_id", "circuit", "train", "step_minutes", "is_synthetic")}
    found = {name: value for name, value in made.items() if name not in {*fields, "result_id", "model", "rows"}}
    found.pop("recorded_at_utc")
    kept = StoredDisaggregation.model_validate({**fields, "found": {**found, "rows": ()}, "kept": ()})
    ledger = Disaggregations(opened.store)
    ledger.keep(kept, NOW)
    assert len(ledger.of("shop", "main")) == 1
    with opened.store.begin() as connection:
        connection.execute(sa.text("DROP TRIGGER disaggregations_no_update"))
        connection.execute(sa.text("UPDATE disaggregations SET circuit = 'other'"))
    with pytest.raises(BadInput, match="the row is not what was written"):
        ledger.of()
    opened.close()


def test_the_card_says_data_figures_limits_and_use(project: Path, made: dict[str, Any]) -> None:
    opened = OpenProject(str(project))
    stored = Disaggregations(opened.store).named(made["result_id"])
    opened.close()
    card = circuit_card(stored)
    assert "Not for live control" in card
    assert all(each["name"] in card for each in made["classes"])
    assert shown(stored).exit_code == 0


@pytest.mark.parametrize("locale", ["de", "ar"])
def test_every_finding_has_its_sentence_in_whole_languages_with_its_facts(locale: str) -> None:
    for code, (pattern, names) in SENTENCES.items():
        finding = finding_of(code, **dict.fromkeys(names, 7))
        assert pattern in rules_of(locale).pages
        assert page_word(finding.message, locale).count("7") == page_word(pattern, locale).count("{")
        stored = type(finding).model_validate_json(finding.model_dump_json())
        assert page_word(worded(stored).message, locale) == page_word(finding.message, locale)


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        ({"train": "2025-01-06"}, "expected START/END"),
        ({"train": "2025-01-06/2025-01-06"}, "before it starts"),
        ({"submeters": []}, "name its submeters"),
    ],
)
def test_an_opt_in_without_weeks_or_sub_meters_is_refused(given: dict[str, Any], sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        DisaggregatedCircuit.model_validate({**SITE["disaggregation"][0], **given})


@pytest.mark.parametrize(
    ("given", "named"),
    [
        ({"circuit": "attic"}, "attic"),
        ({"submeters": ["main"]}, "main"),
        ({"classes": [{"name": "all", "meters": ["server"]}]}, "server"),
        ({"beside": ["degc"]}, "degc"),
    ],
)
def test_a_name_that_the_site_has_not_is_told_with_its_line(tmp_path: Path, given: dict[str, Any], named: str) -> None:
    (tmp_path / "sites").mkdir()
    (tmp_path / "meterloom.yaml").write_text("{}")
    site = {**SITE, "disaggregation": [{**SITE["disaggregation"][0], **given}]}
    (tmp_path / "sites" / "shop.yaml").write_text(yaml.safe_dump(site))
    done, out, error = run("check", folder=tmp_path)
    assert done == 2
    assert named in out + error
    assert date(2025, 1, 6) == DisaggregatedCircuit.model_validate(SITE["disaggregation"][0]).train_days[0]
