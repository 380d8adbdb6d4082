"""States of counters and addresses in Green Button files: exchanges, transformers, units, what one document means."""

import re
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from shutil import copytree

import polars as pl
import pytest

from assets.stores.ledgers.register_reads import READ_SCHEMA
from data_quality.contracts.errors import BadInput
from data_quality.contracts.site_file.meter import Carrier, Meter, Register
from orchestration.cli.main import build_app
from reports.exports.espi_channels import INTERVALS, Channel, states
from reports.exports.espi_document import document
from reports.exports.summer_time import local_time
from tests.exports.test_espi_export import RUNNER, foreign, run

COUNTER = """    registers: [{kind: cumulative, unit: kwh, digits: 6, multiplier: 40}]
    events:
      - {kind: exchange, at: 2025-01-01T02:30:00Z, final_read: 106, initial_read: 7, multiplier_old: 20,
         multiplier_new: 40, person: Anna Berg, reason: worn out}
"""
READS = "timestamp,unit,value\n2024-12-31T23:00:00Z,kwh,100\n" + "".join(
    f"2025-01-01T0{hour}:00:00Z,{unit},{value}\n"
    for hour, unit, value in [(0, "kwh", 100), (1, "kwh", "102.5"), (2, "mwh", "0.105"), (3, "kwh", 8), (4, "kwh", 9)]
)


def channel_of(meter: Meter, *quanta: int, register: str = "import", start_s: int = 1_735_689_600) -> Channel:
    """A channel of quarter hours."""
    rows = [(start_s + 900 * number, 900, value, 14) for number, value in enumerate(quanta)]
    return Channel(meter, register, "kwh", pl.DataFrame(rows, schema=dict.fromkeys(INTERVALS, pl.Int64), orient="row"))


def text_of(*channels: Channel, site: str = "plant") -> str:
    """The document of channels."""
    clock = local_time("Europe/Berlin", 2025, 2025)
    when = datetime(2025, 6, 1, tzinfo=UTC)
    return "".join(document(site, channels, clock=clock, zone="Europe/Berlin", updated_utc=when))


def entries(text: str) -> dict[str, str]:
    """Content of each entry by its id."""
    found = re.findall(r"<entry>\n<id>(.*?)</id>.*?<content .*?>\n(.*?)</content>", text, re.DOTALL)
    assert len(dict(found)) == len(found)
    return dict(found)


@pytest.fixture(scope="module")
def counted(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project whose main meter counts behind transformers, was exchanged, and was once read in MWh."""
    folder = tmp_path_factory.mktemp("states") / "p"
    run(folder, "init", str(folder))
    site = folder / "sites" / "my_site.yaml"
    site.write_text(site.read_text().replace("    carrier: electricity ", COUNTER + "    carrier: electricity ", 1))
    table = folder / "reads.csv"
    table.write_text(READS)
    mapping = folder / "map.yaml"
    mapping.write_text("timestamp: timestamp\nvalue: value\nunit: unit\n")
    code, _, error = run(folder, "ingest", str(table), "--site", "my_site", "--map", str(mapping))
    assert code == 0, error
    return folder


def test_states_are_what_was_counted_and_an_exchange_begins_another_count(counted: Path) -> None:
    path = counted / "states.xml"
    code, answer, error = run(counted, "export", "espi", "--site", "my_site", "--registers", "--to", str(path))
    assert code == 0, error
    sums = [(each["part"], each["intervals"], each["sum"]) for each in answer["usage_points"]]
    # 5 of the old display by 20; 1 of the new one by 40.
    assert sums == [(".1", 4, 100), (".2", 2, 40)]
    assert answer["sum_kwh"] == 140
    assert "Anna" not in path.read_text()
    values = re.findall(r"<espi:value>(\d+)</espi:value>", path.read_text())
    assert values == ["2000000", "2000000", "2050000", "2100000", "320000", "360000"]
    assert {name.partition("@")[0] for name in foreign(path)} == {"import_state.1", "import_state.2"}
    assert run(counted, "verify", str(path))[1]["verified"] is True


def test_a_read_in_another_unit_than_the_register_has_today_counts_in_its_own() -> None:
    at = [datetime(2025, 1, 1, hour, tzinfo=UTC) for hour in range(2)]
    told = {"meter_id": "main", "register": "import", "series": "", "source_line": 0}
    rows = [told | {"at_utc": at[0], "value": Decimal(100), "unit": "kwh"}]
    rows += [told | {"at_utc": at[1], "value": Decimal("0.105"), "unit": "mwh"}]
    reads = pl.DataFrame(rows, schema=READ_SCHEMA)
    [channel] = states(Meter(meter_id="main"), Register(kind="cumulative"), reads, is_synthetic=True)
    assert (channel.total, channel.synthetic) == (Decimal(5), 2)


def test_a_display_that_passes_its_last_digit_has_no_sum(counted: Path, tmp_path: Path) -> None:
    folder = copytree(counted, tmp_path / "p")
    table = folder / "more.csv"
    table.write_text("timestamp,kwh\n2025-01-01T05:00:00Z,999999\n2025-01-01T06:00:00Z,3\n")
    assert run(folder, "ingest", str(table), "--site", "my_site")[0] == 0
    words = ("export", "espi", "--site", "my_site", "--registers", "--to", str(folder / "turned.xml"))
    code, answer, error = run(folder, *words)
    assert code == 0, error
    assert ([each["sum"] for each in answer["usage_points"]], answer["sum_kwh"]) == ([100, None], None)
    said = RUNNER.invoke(build_app(("export",)), [*words, "--project", str(folder)])
    assert "2 registers, 8 intervals, no sum" in said.stdout


def test_what_two_documents_say_under_one_address_is_the_same() -> None:
    main = Meter(meter_id="main")
    january, finer = channel_of(main, 10**9, 2 * 10**9), channel_of(main, 1, 2, start_s=1_738_368_000)
    first, second, other = (entries(text_of(each)) for each in (january, finer, january))
    assert all(first[each] == second[each] for each in first.keys() & second.keys())
    assert first == other
    elsewhere = entries(text_of(january, site="other"))
    assert not first.keys() & elsewhere.keys()


@pytest.mark.parametrize(("quanta", "power"), [(10**9, 0), (10**5, -1), (10**3, -3), (10**2, -6), (1, -6)])
def test_powers_of_ten_are_those_that_espi_has(quanta: int, power: int) -> None:
    assert channel_of(Meter(meter_id="main"), quanta).power_of_ten == power


def test_a_value_that_48_bits_do_not_hold_is_refused_and_no_digit_is_lost() -> None:
    with pytest.raises(BadInput, match=r"main.import: a value has more digits") as refused:
        text_of(channel_of(Meter(meter_id="main"), (1 << 47) + 1))
    assert refused.value.reason == "too_many_digits"
    assert f"<espi:value>-{(1 << 47) - 1}</espi:value>" in text_of(channel_of(Meter(meter_id="main"), 1 - (1 << 47)))


def test_directions_services_and_names_are_what_a_reader_expects() -> None:
    main, cool = Meter(meter_id="main", name="A\0\x07 <&> \ud800"), Meter(meter_id="cool", carrier=Carrier.COOLING)
    flows = {
        name: channel_of(main, 1, register=name).flow for name in ("discharge", "reactive_export", "apparent_import")
    }
    assert flows == {"discharge": 19, "reactive_export": 19, "apparent_import": 1}
    text = text_of(channel_of(main, 1), channel_of(cool, 1))
    assert "A\ufffd\ufffd &lt;&amp;&gt; \ufffd" in text
    text.encode()
    assert re.findall(r"<espi:kind>(\d+)</espi:kind></espi:ServiceCategory>", text) == ["0", "4"]


def test_a_clock_that_no_rule_describes_is_said(counted: Path) -> None:
    site = counted / "sites" / "my_site.yaml"
    before = site.read_text()
    site.write_text(before.replace("Europe/London", "Africa/Casablanca"))
    words = ("export", "espi", "--site", "my_site", "--registers", "--to", str(counted / "m.xml"))
    assert run(counted, *words)[1]["is_clock_exact"] is False
    site.write_text(before)
    assert run(counted, *words)[1]["is_clock_exact"] is True


@pytest.fixture
def billed(tmp_path: Path) -> Path:
    """A project with a price of 0.1234567 a kWh, and four hours."""
    folder = tmp_path / "p"
    run(folder, "init", str(folder))
    site, price = folder / "sites" / "my_site.yaml", "periods: [{period_id: all, price_per_kwh: 0.1234567}]"
    site.write_text(
        site.read_text().replace("currency: GBP", "currency: USD") + f"tariffs:\n  - tariff_id: fixed\n    {price}\n"
    )
    table = folder / "a.csv"
    table.write_text("timestamp,kwh\n" + "".join(f"2025-01-01T0{hour}:00:00Z,{hour}.1\n" for hour in range(4)))
    code, _, error = run(folder, "ingest", str(table), "--site", "my_site")
    assert code == 0, error
    return folder


def test_costs_are_those_of_the_tariff_to_the_hundred_thousandth(billed: Path) -> None:
    path = billed / "cost.xml"
    words = ("export", "espi", "--site", "my_site", "--to", str(path))
    code, answer, error = run(billed, *words, "--cost")
    assert code == 0, error
    text = path.read_text()
    costs = [int(each) for each in re.findall(r"<espi:cost>(-?\d+)</espi:cost>", text)]
    kwh = answer["sum_kwh"]
    assert abs(sum(costs) - kwh * 12_345.67) <= 1
    assert answer["usage_points"][0]["cost"] == sum(costs) / 100_000
    assert re.search(r"</espi:commodity>\n<espi:currency>840</espi:currency>\n<espi:defaultQuality>", text)
    assert text.index("<espi:cost>") < text.index("<espi:timePeriod>")
    assert len(foreign(path)) == 1
    assert run(billed, *words)[1]["usage_points"][0]["cost"] is None
    assert "espi:c" + "ost" not in path.read_text()
    assert "give --registers or --cost" in run(billed, *words, "--cost", "--registers")[2]


def test_a_cost_that_belongs_to_several_meters_is_not_stated(billed: Path) -> None:
    site, path = billed / "sites" / "my_site.yaml", billed / "cost.xml"
    before = site.read_text()
    words = ("export", "espi", "--site", "my_site", "--cost", "--to", str(path))
    site.write_text(before.replace("  # - {meter_id: chiller, name: Chiller, parent: main}", "  - {meter_id: chiller}"))
    assert "its tariff is of 2 main meters" in run(billed, *words)[2]
    site.write_text(before.replace("currency: USD", "currency: PLN"))
    assert "ESPI has no PLN" in run(billed, *words)[2]
    site.write_text(re.sub(r"tariffs:\n  - tariff_id: fixed.*", "", before, flags=re.DOTALL))
    assert run(billed, *words)[1]["usage_points"][0]["cost"] is None
    assert "<espi:cost>" not in path.read_text()
