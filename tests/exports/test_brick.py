"""Brick: what leaves conforms to the ontology and comes back as the same graph; foreign models become drafts."""

import json
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyshacl
import pytest
from rdflib import RDF, Graph
from rdflib.compare import isomorphic
from typer.testing import CliRunner

from assets.sites.load_sites import load_site
from data_quality.contracts.errors import BadInput
from data_quality.contracts.site_file.meter import Carrier, Meter, Register
from data_quality.contracts.site_file.site import Site
from data_quality.contracts.units import UNITS
from orchestration.cli.main import build_app
from reports.exports.brick_graph import graph_of
from reports.exports.brick_site import draft_of, read_graph
from reports.exports.brick_terms import BRICK, EMS, QUDT, TERMS_FILE, misfits
from tests.exports.brick_terms import ONTOLOGY, terms

RUNNER = CliRunner()
DEMO = Path(__file__).resolve().parents[2] / "assets" / "sites" / "demo"
GIVEN = {"time_zone": "Europe/Berlin", "currency": "EUR", "country": "DE"}
CARRIERS = ("electricity", "natural_gas", "heat", "steam", "compressed_air", "cooling", "water")
HEAD = "@prefix brick: <https://brickschema.org/schema/Brick#> .\n@prefix unit: <http://qudt.org/vocab/unit/> .\n"
HEAD += "@prefix b: <urn:b#> .\n@prefix rdfs: <http://www.w3.org/2000/01/rdf-schema#> .\n"


def generated(seed: int) -> Site:
    """A site with a tree of meters of any carrier, drivers, devices and factors."""
    rng = random.Random(seed)
    meters: list[dict[str, Any]] = []
    for number in range(rng.randint(1, 12)):
        carrier = rng.choice(CARRIERS)
        meter: dict[str, Any] = {"meter_id": f"m{number}", "carrier": carrier, "name": rng.choice(["", 'Hall "7" <é>'])}
        same = [each["meter_id"] for each in meters if each["carrier"] == carrier]
        if same and rng.random() < 0.7:
            meter["parent"] = rng.choice(same)
        if carrier == "water":
            meter["registers"] = [{"unit": rng.choice(["m3", "l"])}]
        elif rng.random() < 0.5:
            meter["registers"] = [{"unit": "mwh", "kind": "cumulative", "digits": 6}, {"register_id": "export"}]
            read = {"final_read": 10, "initial_read": 0, "person": "Anna Berg", "reason": "worn out"}
            meter["events"] = [{"kind": "exchange", "at": "2024-05-01T10:00:00Z"} | read]
        meters.append(meter)
    body = {
        "site_id": f"site_{seed}",
        "name": f"Site {seed}",
        "time_zone": rng.choice(["Europe/Berlin", "Asia/Kathmandu"]),
        "currency": "EUR",
        "country": "DE",
        "floor_area_m2": rng.choice([None, 1200.5]),
        "latitude_deg": 48.1,
        "longitude_deg": 11.5,
        "meters": meters,
        "drivers": [
            {"driver_id": "outdoor_degc", "unit": "degc", "aggregation": "mean"},
            {"driver_id": "parts", "unit": "count", "aggregation": "sum", "name": "Parts"},
            {"driver_id": "price", "unit": "per_kwh", "aggregation": "mean"},
        ],
        "assets": [
            {"asset_id": "m0", "kind": "battery", "meter": "m0", "params": {"capacity_kwh": 10.5}},
            {"asset_id": "other", "kind": "press", "address": "10.0.0.7:502/1"},
            {"asset_id": "car", "kind": "ev_charger", "params": {"max_kw": 11, "id_tags": ["AB12CD34"]}},
        ],
        "factors": [
            {
                "factor_id": "grid <DE>/2024 ü",
                "kgco2e_per_kwh": 0.00001,
                "valid_from": "2024-01-01",
                "valid_to": "2025-01-01",
                "source": "a register",
            }
        ],
    }
    return Site.model_validate(body)


def sites() -> Iterator[Site]:
    """The demo's sites and fifty others."""
    yield from (load_site(DEMO / f"{name}.yaml") for name in ("factory", "home", "tower"))
    yield from (generated(seed) for seed in range(50))


def reimported(graph: Graph) -> Graph:
    """The graph of the site that an import makes of a graph."""
    draft = draft_of(read_graph(graph.serialize(format="turtle"), "a.ttl"), {}, "a.ttl")
    assert draft.unmapped == []
    return graph_of(Site.model_validate(draft.site))


@pytest.fixture(scope="module")
def ontology() -> Graph:
    """Brick 1.4 with its shapes, as its own package holds it."""
    return Graph().parse(ONTOLOGY)


def test_every_site_comes_back_as_the_same_graph() -> None:
    for site in sites():
        graph = graph_of(site)
        assert isomorphic(reimported(graph), graph), site.site_id
        assert misfits(graph) == []
        text = graph.serialize(format="turtle")
        assert not [each for each in ("10.0.0.7", "AB12CD34", "Anna Berg") if each in text]


@pytest.mark.parametrize(("carrier", "unit"), [("heat", "gcal"), ("heat", "mcal"), ("natural_gas", "ccf")])
def test_a_unit_without_a_word_of_qudt_comes_back_in_ours(carrier: str, unit: str) -> None:
    site = load_site(DEMO / "home.yaml")
    meter = Meter(meter_id="own", carrier=Carrier(carrier), registers=(Register(register_id="import", unit=unit),))
    graph = graph_of(site.model_copy(update={"meters": (*site.meters, meter)}))
    assert isomorphic(reimported(graph), graph)


# Half a minute of processor on a quiet machine.
@pytest.mark.timeout(900)
def test_shacl_of_brick_finds_nothing_and_finds_what_we_break(ontology: Graph) -> None:
    every = Graph()
    for site in sites():
        every += graph_of(site)
    every += Graph().parse(TERMS_FILE.with_name("ems.ttl"))
    whole, _, said = pyshacl.validate(every, shacl_graph=ontology, ont_graph=ontology)
    assert whole, said
    broken = Graph().parse(data=HEAD + "b:m a brick:Electrical_Meter ; brick:hasSubMeter b:p .\nb:p a brick:Battery .")
    assert not pyshacl.validate(broken, shacl_graph=ontology, ont_graph=ontology)[0]
    assert [each.reason for each in misfits(broken)] == ["not_joined"]


def test_the_shipped_terms_are_those_of_the_ontology(ontology: Graph) -> None:
    assert json.loads(TERMS_FILE.read_text()) == terms(ontology)
    assert terms(ontology)["version"] == "1.4.4"


def test_every_term_of_ours_is_documented() -> None:
    known = set(Graph().parse(TERMS_FILE.with_name("ems.ttl")).subjects())
    used = {term for site in sites() for triple in graph_of(site) for term in triple if str(term).startswith(str(EMS))}
    assert used <= known, used - known
    assert len(set(QUDT.values())) == len(QUDT)
    assert set(QUDT) <= set(UNITS)


FOREIGN = (
    HEAD
    + """
b:house a brick:Building ; rdfs:label "Town hall" ; brick:grossArea [ brick:value 950 ; brick:hasUnit unit:M2 ] .
b:main a brick:Building_Electrical_Meter ; brick:hasSubMeter b:Lift-1 ; brick:hasPoint b:kwh .
b:kwh a brick:Electrical_Energy_Usage_Sensor ; brick:hasUnit unit:KiloW-HR .
b:Lift-1 a brick:Electrical_Meter ; rdfs:label "Lift" .
b:power a brick:Active_Power_Sensor ; brick:isPointOf b:Lift-1 ; brick:hasUnit unit:KiloW .
b:gas a brick:Gas_Meter ; brick:hasPoint b:volume , b:odd .
b:volume a brick:Natural_Gas_Usage_Sensor ; brick:hasUnit unit:FT3 .
b:odd a brick:Natural_Gas_Usage_Sensor .
b:bin a brick:Waste_Meter .
b:air a brick:Outside_Air_Temperature_Sensor ; brick:hasUnit unit:DEG_F .
b:store a brick:Battery ; brick:isMeteredBy b:main .
b:fan a brick:Exhaust_Fan .
"""
)


def test_a_foreign_model_becomes_a_draft_that_names_what_it_lacks() -> None:
    draft = draft_of(read_graph(FOREIGN, "b.ttl"), GIVEN, "b.ttl")
    site = Site.model_validate(draft.site)
    assert (site.site_id, site.name, site.floor_area_m2) == ("house", "Town hall", 950)
    found = {
        each.meter_id: (each.carrier.value, each.parent, [(own.register_id, own.unit) for own in each.registers])
        for each in site.meters
    }
    assert found == {
        "main": ("electricity", None, [("import", "kwh")]),
        "lift-1": ("electricity", "main", [("import", "kw")]),
        "gas": ("natural_gas", None, [("import", "ft3")]),
    }
    assert [(each.driver_id, each.unit) for each in site.drivers] == [("air", "degf")]
    assert [(each.asset_id, each.kind, each.meter) for each in site.assets] == [("store", "battery", "main")]
    assert {(each.entity, each.reason) for each in draft.unmapped} == {
        ("urn:b#bin", "no_known_carrier"),
        ("urn:b#fan", "no_such_part"),
        ("urn:b#odd", "no_known_unit"),
    }


SMALL = HEAD + "@prefix ems: <urn:meterloom:ems#> .\nb:s a brick:Site . b:m a brick:Electrical_Meter ; "
SMALL += "brick:hasPoint b:e , b:p . b:e a brick:Electrical_Energy_Usage_Sensor ; brick:hasUnit unit:KiloW-HR .\n"
SMALL += "b:p a brick:Electric_Power_Sensor ; brick:hasUnit unit:KiloW .\n"


@pytest.mark.parametrize(
    ("text", "left"),
    [
        ('b:s brick:grossArea [ brick:value "wide" ; brick:hasUnit unit:M2 ] .', ("s", "no_number")),
        ('b:s brick:grossArea [ brick:value "NaN" ; brick:hasUnit unit:M2 ] .', ("s", "no_number")),
        ("b:s brick:grossArea [ brick:value 950 ] .", ("s", "no_known_unit")),
        ("b:t a brick:Outside_Air_Temperature_Sensor .", ("t", "no_known_unit")),
        ("b:t a brick:Outside_Air_Temperature_Sensor ; brick:hasUnit unit:K .", ("t", "no_known_unit")),
        ("b:g a brick:Gas_Meter .", ("g", "no_register")),
        ("b:m ems:fields '[" + "[" * 100_000 + "' .", ("m", "bad_fields")),
        ("b:m ems:fields '[1]' .", ("m", "bad_fields")),
        ('b:a a brick:Battery ; ems:fields \'{"address":"10.6.6.6:502/1"}\' .', ("a", "bad_fields")),
        ("b:s ems:fields '{\"column_maps\":[]}' .", ("s", "bad_fields")),
    ],
)
def test_what_a_model_says_wrongly_is_named_and_nothing_is_guessed(text: str, left: tuple[str, str]) -> None:
    draft = draft_of(read_graph(SMALL + text, "b.ttl"), GIVEN, "b.ttl")
    site = Site.model_validate(draft.site)
    found = {(each.entity.removeprefix("urn:b#"), each.reason) for each in draft.unmapped}
    assert found == {("p", "same_register"), left}
    assert [(each.register_id, each.unit) for each in site.meters[-1].registers] == [("import", "kwh")]
    assert (site.floor_area_m2, site.drivers, [each.address for each in site.assets if each.address]) == (None, (), [])


def test_a_draft_of_one_text_is_always_the_same() -> None:
    text = SMALL + '[] a brick:Electrical_Meter ; rdfs:label "Hall"@en , "Halle"@de , "Salle"@fr .'
    text += "b:s brick:grossArea [ brick:value 1000 ; brick:hasUnit unit:FT2 ] ."
    one, two = (draft_of(read_graph(text, "b.ttl"), GIVEN, "b.ttl").site for _ in range(2))
    assert one == two
    assert {each["meter_id"]: each.get("name") for each in one["meters"]} == {"m": None, "meter": "Hall"}
    assert one["floor_area_m2"] == pytest.approx(92.90304)


def test_a_text_of_endless_triples_is_refused_before_they_fill_the_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("reports.exports.brick_site.MAX_TRIPLES", 100)
    with pytest.raises(BadInput, match="more than 100 triples") as refused:
        read_graph(HEAD + "[] a brick:Site .\n" * 101, "b.ttl")
    assert (refused.value.reason, refused.value.file) == ("too_large", "b.ttl")


def test_a_huge_file_is_refused_before_it_is_read(tmp_path: Path) -> None:
    path = tmp_path / "a.ttl"
    with path.open("wb") as file:
        file.truncate((64 << 20) + 1)
    done = RUNNER.invoke(build_app(("import",)), ["import", "brick", str(path), "--to", str(tmp_path / "a.yaml")])
    assert (done.exit_code, "more than 64 MiB" in done.stderr) == (2, True), done.stderr
    assert not (tmp_path / "a.yaml").exists()


def test_a_files_name_is_no_part_of_the_draft(tmp_path: Path) -> None:
    path, draft = tmp_path / "a\nname: other.ttl", tmp_path / "a.yaml"
    path.write_text(FOREIGN)
    given = [word for key, value in GIVEN.items() for word in (f"--{key.replace('_', '-')}", value)]
    done = RUNNER.invoke(build_app(("import",)), ["import", "brick", str(path), "--to", str(draft), *given])
    assert done.exit_code == 0, done.stderr
    assert load_site(draft).name == "Town hall"


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("this is no Turtle", "bad_turtle"),
        ("[" * 3000, "bad_turtle"),
        ("@prefix a: <urn:a#> .\na:b a a:C .", "other_ontology"),
        (HEAD + "b:m a brick:Electrical_Meter .", "no_site"),
        (HEAD + "b:s a brick:Site . b:t a brick:Site .", "many_sites"),
        (HEAD + "b:s a brick:Site . b:w a brick:Waste_Meter .", "no_meter"),
    ],
)
def test_what_is_no_model_of_one_site_is_refused_by_name(text: str, reason: str) -> None:
    with pytest.raises(BadInput) as refused:
        draft_of(read_graph(text, "a.ttl"), GIVEN, "a.ttl")
    assert refused.value.reason == reason


def test_the_commands_write_and_read_a_model(tmp_path: Path) -> None:
    app, folder = build_app(("init", "export", "import", "verify")), tmp_path / "p"
    assert RUNNER.invoke(app, ["init", str(folder)]).exit_code == 0
    path, draft = tmp_path / "a.ttl", tmp_path / "a.yaml"
    words = ["export", "brick", "--site", "my_site", "--to", str(path), "--project", str(folder), "--json"]
    done = RUNNER.invoke(app, words)
    assert done.exit_code == 0, done.stderr
    answer = json.loads(done.stdout)
    assert (answer["conforms"], answer["unmapped"], answer["triples"]) == (True, [], len(Graph().parse(path)))
    assert (BRICK.Site in set(Graph().parse(path).objects(None, RDF.type))) is True
    taken = RUNNER.invoke(app, ["import", "brick", str(path), "--to", str(draft), "--json"])
    assert taken.exit_code == 0, taken.stderr
    assert json.loads(taken.stdout)["unmapped"] == []
    twice = RUNNER.invoke(app, ["import", "brick", str(path), "--to", str(draft)])
    assert (twice.exit_code, "takes the place of no file" in twice.stderr) == (2, True)
    assert RUNNER.invoke(app, ["verify", str(path)]).exit_code == 0
    nameless = RUNNER.invoke(app, [*words[:5], "", *words[6:]])
    assert (nameless.exit_code, "is there already, and is no export" in nameless.stderr) == (2, True)
    path.write_text(FOREIGN)
    asked = RUNNER.invoke(app, ["import", "brick", str(path), "--to", str(tmp_path / "b.yaml")])
    assert (asked.exit_code, "give --time-zone" in asked.stderr) == (2, True)
