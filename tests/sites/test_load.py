"""A site file is read whole or refused with the place of every fault."""

import re
from pathlib import Path

import pytest

from assets.sites.load_sites import load_people, load_site, load_sites, site_sha256
from data_quality.contracts.errors import BadInput
from data_quality.contracts.model_faults import PATTERNS
from data_quality.contracts.yaml_file import BadConfiguration
from tests.conftest import ROOT

PLANT = """\
site_id: plant
name: Plant
time_zone: Europe/Berlin
currency: EUR
country: DE
subdivision: BW
meters:
  - meter_id: main
  - meter_id: press
    parent: main
  - meter_id: pump
    parent: main
drivers:
  - {driver_id: parts, unit: count, aggregation: sum}
seus:
  - seu_id: forming
    name: Forming
    meters: [press]
    drivers:
      - {driver_id: parts, justification: load}
"""


def write(folder: Path, text: str, name: str = "plant.yaml") -> Path:
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return path


def test_a_good_file_becomes_a_site(tmp_path: Path) -> None:
    site = load_site(write(tmp_path, PLANT))
    assert site.stream_ids() == ["main", "press", "pump", "parts"]


def test_budgets_are_optional_and_a_file_without_them_is_what_it_was(tmp_path: Path) -> None:
    without, budgets = load_site(write(tmp_path, PLANT)), "budgets: {cost_per_month: {EUR: 26500}}\n"
    found = load_site(write(tmp_path, PLANT + budgets)).budgets
    assert "budgets" not in without.model_dump()
    assert found is not None
    assert (found.cost_per_month, found.kgco2e_per_month) == ({"EUR": 26500}, None)


FAULTS = {
    "empty budgets": (("drivers:\n", "budgets: {}\ndrivers:\n"), 13, "expected cost_per_month or kgco2e_per_month"),
    "wrong zone": (("Europe/Berlin", "Europe/Berlim"), 3, "unknown time zone 'Europe/Berlim'"),
    "unknown key": (("currency: EUR", "curency: EUR"), 4, "did you mean 'currency'?"),
    "nested unknown key": (("    parent: main\ndrivers", "    parrent: main\ndrivers"), 12, "did you mean 'parent'?"),
    "unknown unit": (("unit: count", "unit: pieces"), 14, "unknown unit 'pieces'; allowed are btu, ccf, count, degc"),
    "parent loop": (("  - meter_id: main\n", "  - meter_id: main\n    parent: pump\n"), 8, "has a loop through 'main'"),
    "unknown parent": (("pump\n    parent: main", "pump\n    parent: man"), 12, "parent 'man' is not of this site"),
    "unknown SEU meter": (("[press]", "[pres]"), 18, "it has main, press, pump"),
    "unknown SEU driver": (("{driver_id: parts, just", "{driver_id: pats, just"), 20, "it has parts"),
    "duplicate meter": (("meter_id: pump", "meter_id: press"), 11, "appears twice: press"),
    "duplicate of a driver": (("driver_id: parts, unit", "driver_id: pump, unit"), 14, "appears twice: pump"),
    "bad identifier": (("site_id: plant", "site_id: ../plant"), 1, "expected lower-case letters, digits, - and _"),
    "unknown country": (("country: DE", "country: QQ"), 5, "no public-holiday calendar for country 'QQ'"),
    "unknown subdivision": (("subdivision: BW", "subdivision: XY"), 6, "known are Augsburg, BB"),
    "missing key": (("name: Plant\n", ""), 1, "key 'name' is missing"),
    "not YAML": (("meters:", "meters: ["), 7, "not valid YAML"),
}

RULES = """\
alert_rules:
  - rule_id: nights
    kind: threshold
    measure: consumption_kwh
    scope: meter:press
    limit: 30
    unit: kwh
    hysteresis: 5
    hold_h: 2
    hours: {start: "22:00", end: "05:00"}
  - rule_id: dear
    kind: anomaly
    limit: 5
    unit: EUR
"""
# By what stands there instead: line of the fault in RULES, and what is said.
RULE_FAULTS = {
    "unknown kind": (("kind: anomaly", "kind: anomalies"), 12, "expected 'kind' of 'threshold', 'peak', 'budget'"),
    "unknown measure": (("consumption_kwh", "consumtion_kwh"), 4, "did you mean 'consumption_kwh'?"),
    "negative hysteresis": (("hysteresis: 5", "hysteresis: -1"), 8, "expected 0 or more, got -1"),
    "too long a hold": (("hold_h: 2", "hold_h: 745"), 9, "expected 744 or less, got 745"),
    "wrong unit": (("unit: kwh", "unit: kw"), 2, "unit 'kw': consumption_kwh is in 'kwh'"),
    "another currency": (("unit: EUR", "unit: USD"), 11, "rule 'dear': unit 'USD', expected 'EUR' or 'kwh'"),
    "two of one id": (("rule_id: dear", "rule_id: nights"), 11, "rule id appears twice: nights"),
    "unknown scope": (("meter:press", "meter:pres"), 5, "did you mean 'meter:press'?"),
    "no budget": (("kind: anomaly\n    limit: 5\n    unit: EUR", "kind: budget"), 11, "has no budget of cost"),
    "hours of days": (("limit: 30", "limit: 30\n    grain: day"), 2, "hours go with grain hour, not day"),
    "limit without sense": (("kind: anomaly", "kind: device"), 11, "a rule of kind device has no limit"),
    "unit without limit": (("    limit: 5\n", ""), 11, "unit 'EUR' without a limit"),
    "grain that no row has": (("consumption_kwh", "load_factor"), 2, "load_factor is known by day and month"),
}  # fmt: skip


@pytest.mark.parametrize("name", RULE_FAULTS)
def test_a_fault_of_an_alert_rule_is_one_sentence_with_its_line(tmp_path: Path, name: str) -> None:
    (old, new), line, sentence = RULE_FAULTS[name]
    assert old in RULES
    with pytest.raises(BadConfiguration) as caught:
        load_site(write(tmp_path, PLANT + RULES.replace(old, new, 1)))
    [problem] = caught.value.problems
    assert (problem.line - PLANT.count("\n"), sentence in str(caught.value)) == (line, True), str(caught.value)


COSTS = """
measure_costs:
  - cost_id: air
    kind: compressed_air
    meter: press
    money: 900
    most_money: 1500
    currency: EUR
    source: Offer of a fitter
    stated_on: 2026-02-01
    valid_until: 2026-12-31
  - {cost_id: roof, kind: pv, money: 900, per: kw, currency: EUR, source: Offer, stated_on: 2026-02-01}
"""
RATE = "discount_rate: {percent: 6, source: Board, stated_on: 2026-02-01}\n"
COST_FAULTS = {
    "unknown kind": (("compressed_air", "compresed_air"), 4, "did you mean 'compressed_air'?"),
    "no source": (("source: Offer of a fitter", 'source: ""'), 9, "source"),
    "range the wrong way": (("money: 900\n", "money: 1900\n"), 3, "most_money (1500) is less than money (1900)"),
    "below zero": (("money: 900\n", "money: -1\n"), 6, "expected 0 or more, got -1"),
    "another currency": (("currency: EUR", "currency: USD"), 3, "cost 'air': it is in USD, the site in EUR"),
    "unknown meter": (("meter: press", "meter: pres"), 5, "did you mean 'press'?"),
    "ended before": (("valid_until: 2026", "valid_until: 2025"), 3, "valid until 2025-12-31, and was stated on"),
    "size of the whole": (("meter: press", "per: kw"), 3, "a compressed_air is bought as a whole"),
    "life of no year": (("    valid_until", "    lifetime_years: 0\n    valid_until"), 11, "lifetime_years"),
    "rate as a share": (("percent: 6", "percent: 0.06"), 13, "0.06 %: a share? Then write 6"),
    "rate of nobody": (("source: Board", 'source: ""'), 13, "source"),
    "two of one id": (("cost_id: roof", "cost_id: air"), 12, "cost id appears twice: air"),
}


@pytest.mark.parametrize("name", COST_FAULTS)
def test_a_fault_of_a_stated_cost_is_one_sentence_with_its_line(tmp_path: Path, name: str) -> None:
    (old, new), line, sentence = COST_FAULTS[name]
    assert old in COSTS + RATE
    with pytest.raises(BadConfiguration) as caught:
        load_site(write(tmp_path, PLANT + (COSTS + RATE).replace(old, new, 1)))
    [problem] = caught.value.problems
    assert (problem.line - PLANT.count("\n"), sentence in str(caught.value)) == (line, True), str(caught.value)


def test_two_costs_of_one_measure_on_one_day_are_refused_with_the_day_that_would_part_them(tmp_path: Path) -> None:
    second = COSTS.partition("\n  - ")[2].partition("\n  - ")[0].replace("cost_id: air", "cost_id: air_2")
    later = COSTS + "  - " + second.replace("stated_on: 2026-02-01", "stated_on: 2026-06-01") + "\n"
    with pytest.raises(BadConfiguration, match="'air' holds on 2026-06-01 too; valid_until: 2026-05-31"):
        load_site(write(tmp_path, PLANT + later))
    ended = later.replace("valid_until: 2026-12-31", "valid_until: 2026-05-31", 1)
    assert len(load_site(write(tmp_path, PLANT + ended)).measure_costs) == 3


def test_alert_rules_are_optional_and_change_nothing_that_figures_rest_on(tmp_path: Path) -> None:
    without, ruled = load_site(write(tmp_path, PLANT)), load_site(write(tmp_path, PLANT + RULES, "ruled.yaml"))
    assert "alert_rules" not in without.model_dump()
    assert [each.rule_id for each in ruled.alert_rules] == ["nights", "dear"]
    assert site_sha256(without) == site_sha256(ruled)


@pytest.mark.parametrize("name", FAULTS)
def test_a_fault_is_named_with_its_line_and_what_was_allowed(tmp_path: Path, name: str) -> None:
    (old, new), line, sentence = FAULTS[name]
    assert old in PLANT
    path = write(tmp_path, PLANT.replace(old, new, 1))
    with pytest.raises(BadConfiguration) as caught:
        load_site(path)
    problem = caught.value.problems[0]
    assert problem.file == str(path)
    assert sentence in str(caught.value)
    if name != "not YAML":
        assert problem.line == line
    assert problem.column >= 1


def test_every_fault_of_a_file_is_listed_in_line_order(tmp_path: Path) -> None:
    text = PLANT.replace("Europe/Berlin", "Mars/Base").replace("unit: count", "unit: pieces")
    with pytest.raises(BadConfiguration) as caught:
        load_site(write(tmp_path, text))
    assert [problem.line for problem in caught.value.problems] == [3, 14]
    assert "(and 1 more)" in str(caught.value)


@pytest.mark.parametrize(("content", "sentence"), [(b"\xff\xfe\x00bad", "UTF-8"), (b"", "missing")])
def test_an_unreadable_or_empty_file_is_refused(tmp_path: Path, content: bytes, sentence: str) -> None:
    path = tmp_path / "x.yaml"
    path.write_bytes(content)
    with pytest.raises(BadInput, match=sentence):
        load_site(path)


def test_a_directory_and_a_missing_file_are_refused_by_name(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="got a directory"):
        load_site(tmp_path)
    with pytest.raises(BadInput, match="no such file"):
        load_site(tmp_path / "none.yaml")


def test_a_folder_gives_its_sites_by_id_and_passes_over_the_people_file(tmp_path: Path) -> None:
    write(tmp_path, PLANT)
    write(tmp_path, PLANT.replace("site_id: plant", "site_id: annex"), "annex.yml")
    write(tmp_path, "people: []\n", "people.yaml")
    assert list(load_sites(tmp_path)) == ["annex", "plant"]


def test_a_site_id_may_stand_in_one_file_only(tmp_path: Path) -> None:
    write(tmp_path, PLANT)
    write(tmp_path, "# a comment first\n" + PLANT, "second.yaml")
    with pytest.raises(BadConfiguration, match="site_id 'plant' is in another file") as caught:
        load_sites(tmp_path)
    assert caught.value.problems[0].line == 2


def test_a_missing_folder_of_sites_is_named(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="expected a folder of site files"):
        load_sites(tmp_path / "none")


def test_the_hash_follows_the_meaning_not_the_writing(tmp_path: Path) -> None:
    site = load_site(write(tmp_path, PLANT))
    respelled = load_site(write(tmp_path, "# comment\n" + PLANT + "locale: en\n", "b.yaml"))
    changed = load_site(
        write(
            tmp_path,
            PLANT.replace("parent: main", "parent: press", 2).replace(
                "press\n    parent: press", "press\n    parent: main"
            ),
            "c.yaml",
        )
    )
    assert site_sha256(site) == site_sha256(respelled)
    assert site_sha256(site) != site_sha256(changed)


def test_people_have_known_roles_only(tmp_path: Path) -> None:
    people = write(tmp_path, "people:\n  - {person_id: anna, name: Anna, roles: [approver]}\n", "people.yaml")
    assert load_people(people).people[0].person_id == "anna"
    people.write_text("people:\n  - {person_id: anna, name: Anna, roles: [boss]}\n")
    with pytest.raises(BadConfiguration, match=r"line 2.*'analyst', 'approver'"):
        load_people(people)


def test_the_shipped_demo_sites_are_valid() -> None:
    folder = Path(__file__).parents[2] / "assets" / "sites" / "demo"
    assert set(load_sites(folder)) >= {"factory", "home"}


# What a library would say of it, and what a person reads.
WORDS = {
    "a list that is not closed": (("[press]", "[press"), "a list that begins with [ is not closed"),
    "a tab": (("    parent: main\n", "\tparent: main\n"), "a tab at the beginning of a line; indent with blanks"),
    "a colon in a value": (("name: Plant\n", "name: Plant: North\n"), "a second ': ' in one value"),
    "a sign that begins no value": (("name: Plant\n", "name: @Plant\n"), "a value cannot begin with @; put it in"),
    "an alias of nothing": (("name: Plant\n", "name: *Plant\n"), "*Plant stands for a value that nothing names"),
    "a key twice": (("name: Plant\n", "name: Plant\nname: Hall\n"), "key 'name' appears twice"),
    "a control character": (("name: Plant\n", "name: Pl\x07ant\n"), "a control character (7); delete it"),
    "an unclosed quote": (("name: Plant\n", "name: 'Plant\n"), "close"),
    "a unit that is nearly one": (("unit: count", "unit: kWhh"), "unknown unit 'kWhh'; did you mean 'kwh'?"),
    "a unit as people write it": (("unit: count", "unit: °C"), "did you mean 'degc'?"),
    "a currency in small letters": (("currency: EUR", "currency: eur"), "did you mean 'EUR'?"),
    "an id with blanks": (("site_id: plant", "site_id: My Plant"), "did you mean 'my_plant'?"),
    "a zone that is nearly one": (("Europe/Berlin", "Europe/Berlim"), "did you mean 'Europe/Berlin'?"),
    "a text for a list": (("meters: [press]", "meters: press"), "expected a list, as [a, b], got 'press'"),
    "a list for a text": (("name: Plant\n", "name: [a]\n"), "name: expected a text"),
}
THEIRS = ("block end", "scalar", "token", "should", "pattern", "valid string", "valid tuple", "<", "alias '")


@pytest.mark.parametrize("name", WORDS)
def test_a_mistake_is_said_in_our_words_and_not_in_those_of_a_library(tmp_path: Path, name: str) -> None:
    (old, new), sentence = WORDS[name]
    assert old in PLANT
    with pytest.raises(BadConfiguration) as caught:
        load_site(write(tmp_path, PLANT.replace(old, new, 1)))
    message = str(caught.value).removeprefix(str(tmp_path))
    assert sentence in message
    assert caught.value.problems[0].line > 0
    assert not [word for word in THEIRS if word in message], message


def test_every_pattern_of_a_contract_has_its_description() -> None:
    found = {
        pattern
        for room in ("data_quality", "assets", "controls", "reports")
        for path in (ROOT / room).rglob("*.py")
        for pattern in re.findall(r'pattern=r"(.+?)"[,)]', path.read_text(encoding="utf-8"))
    }
    assert found - set(PATTERNS) == set()
    assert len(found) > 10
