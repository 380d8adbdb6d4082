"""A refused file read again: what changed is reported, what is mended is resolved, and nothing of it is rewritten."""

import pytest
import sqlalchemy as sa

from assets.readings.ingest.ingest_page import ingestion_page
from assets.readings.ingest.retry import RetryReport, retry_item
from assets.stores.schema import tables_readings
from data_quality.contracts.errors import BadInput
from data_quality.contracts.site_file.meter import Meter
from data_quality.contracts.site_file.site import ColumnMap, Site
from tests.readings.rooms import Bench, home, plant, quarter_rows

HEADER = "meter,timestamp,kwh\n"


def retry(bench: Bench, *, site: Site | None = None, mapping: ColumnMap | None = None, place: int = 0) -> RetryReport:
    return retry_item(
        bench.quarantine.items()[place],
        site=site or plant(),
        lake=bench.lake,
        quarantine=bench.quarantine,
        clock=bench.clock,
        mapping=mapping,
    )


def open_lines(bench: Bench) -> list[int]:
    return [item["line"] for item in bench.quarantine.items(is_open=True)]


def test_a_mended_site_resolves_what_it_mends_and_leaves_the_rest(bench: Bench) -> None:
    text = HEADER + quarter_rows("annex", [1, 2]) + quarter_rows("main", [3]) + "main,2025-01-01T02:00Z,x\n"
    assert bench.ingest(text).reasons == {"not_a_number": 1, "unknown_meter": 2}
    mended = plant(meters=(*plant().meters, Meter(meter_id="annex")))
    report = retry(bench, site=mended)
    assert (report.before, report.after) == ({"unknown_meter": 2, "not_a_number": 1}, {"not_a_number": 1})
    assert (report.resolved, report.file.new_rows) == (2, 2)
    assert open_lines(bench) == [5]
    done = bench.quarantine.items(is_open=False)
    assert {item["resolved_by"] for item in done} == {report.file.batch_id}
    assert bench.values("annex") == [1, 2]


def test_a_column_map_given_or_of_the_site_is_picked_up(bench: Bench) -> None:
    text = "when;what\n01.02.2025 00:00;1,5\n01.02.2025 00:15;2,5\n"
    mapping = ColumnMap(
        timestamp="when", value="what", unit="kwh", zone="Europe/Berlin", date_format="%d.%m.%Y %H:%M", decimal=","
    )
    for place, how in enumerate(("given", "site")):
        refused = bench.ingest(text + "\n" * place, site=home(), name=f"{how}.csv")
        assert refused.verdict == "reject"
        known = home().model_copy(update={"column_maps": (mapping.model_copy(update={"match": "site.csv"}),)})
        report = retry(
            bench, place=place, site=home() if how == "given" else known, mapping=mapping if not place else None
        )
        assert (report.file.verdict, report.resolved, report.after) == ("accept", 1, {})
        assert sum(report.before.values()) == 1
    assert bench.values() == [1.5, 2.5]
    assert bench.quarantine.counts(is_open=True) == {}
    assert sum(bench.quarantine.counts().values()) == 2


def test_another_try_with_nothing_mended_resolves_nothing(bench: Bench) -> None:
    bench.ingest(HEADER + "annex,2025-01-01T00:00Z,1\n" + quarter_rows("main", [3, 4]))
    report = retry(bench)
    assert (report.file.is_repeat, report.resolved, report.before) == (True, 0, report.after)
    assert open_lines(bench) == [2]
    bench.ingest("nothing", name="b.csv")
    second = retry(bench, place=1)
    assert (second.file.verdict, second.resolved, second.before) == ("reject", 0, second.after)


def test_another_fault_of_the_whole_file_does_not_resolve_its_rows(bench: Bench) -> None:
    bench.ingest(HEADER + "annex,2025-01-01T00:00Z,1\n" + quarter_rows("main", [3, 4]))
    report = retry(bench, mapping=ColumnMap(value="no_such_column"))
    assert report.file.verdict == "reject"
    assert (report.resolved, len(open_lines(bench))) == (0, 2)


def test_rows_beyond_those_kept_singly_are_not_declared_resolved(bench: Bench) -> None:
    rows = "".join(f"annex,2025-01-{1 + n // 96:02}T{n % 96 // 4:02}:{n % 4 * 15:02}Z,1\n" for n in range(1200))
    bench.ingest(HEADER + rows + quarter_rows("main", [1, 2]))
    assert bench.quarantine.counts() == {"unknown_meter": 1200}
    assert len(bench.quarantine.items()) == 1001
    # A map that changes nothing for the better, but makes it another reading of the file.
    report = retry(bench, mapping=ColumnMap(meter="meter", value="kwh", unit="kwh"))
    assert (report.resolved, report.after) == (0, {"unknown_meter": 1200})


def refused(meter: str, count: int) -> str:
    """Quarter hours of January of a meter that the site does not know yet."""
    return "".join(f"{meter},2025-01-{1 + n // 96:02}T{n % 96 // 4:02}:{n % 4 * 15:02}Z,1\n" for n in range(count))


def test_more_than_a_thousand_refused_rows_are_all_resolved_once_the_site_is_mended(bench: Bench) -> None:
    bench.ingest(HEADER + refused("annex", 1200) + quarter_rows("main", [1, 2]))
    report = retry(bench, site=plant(meters=(*plant().meters, Meter(meter_id="annex"))))
    # A thousand rows kept singly, and the item that states the other two hundred.
    assert (report.file.new_rows, report.resolved, report.after) == (1200, 1001, {})
    assert bench.quarantine.counts(is_open=True) == {}


def test_of_rows_beyond_those_seen_again_only_what_was_looked_at_is_resolved(bench: Bench) -> None:
    rows = refused("barn", 10) + refused("annex", 1200) + refused("shed", 5)
    bench.ingest(HEADER + rows + quarter_rows("main", [1, 2]))
    barn, shed = Meter(meter_id="barn"), Meter(meter_id="shed")
    report = retry(bench, site=plant(meters=(*plant().meters, barn, shed)))
    # Ten rows, and the count of the rest, which is another one now: 1,200 rows are still refused, 1,000 of them singly.
    assert (report.file.new_rows, report.resolved) == (15, 11)
    assert {item["line"] for item in bench.quarantine.items(is_open=False)} == {0, *range(2, 12)}
    assert (report.after, 0 in open_lines(bench)) == ({"unknown_meter": 1200}, True)


def test_rows_kept_singly_at_first_and_not_reached_again_stay_open(bench: Bench) -> None:
    bench.ingest(HEADER + refused("main", 1100) + refused("annex", 1000))
    assert len(open_lines(bench)) == 1000
    # Now the meter of the first 1,100 rows is gone: the thousand kept singly end before the others begin.
    report = retry(bench, site=plant(meters=(Meter(meter_id="annex"),)))
    assert report.file.rejected_rows == 1100
    assert report.resolved == 0
    assert set(range(1102, 2102)) <= set(open_lines(bench))


def test_resolutions_are_only_ever_added(bench: Bench) -> None:
    bench.ingest("nothing")
    item_id = bench.quarantine.items()[0]["item_id"]
    assert bench.quarantine.resolve([item_id], batch_id="b", clock=bench.clock) == 1
    assert bench.quarantine.resolve([item_id], batch_id="c", clock=bench.clock) == 0
    assert bench.quarantine.show(item_id)["resolved_by"] == "b"
    for statement in (
        tables_readings.quarantine_resolutions.update().values(batch_id="x"),
        tables_readings.quarantine_resolutions.delete(),
    ):
        with pytest.raises(sa.exc.DatabaseError, match="append-only"), bench.quarantine.store.begin() as connection:
            connection.execute(statement)


def test_an_item_without_a_copy_is_named(bench: Bench) -> None:
    bench.ingest(bench.folder / "gone.csv")
    with pytest.raises(BadInput, match=r"no copy of 'gone.csv' was kept"):
        retry(bench)


def test_an_id_may_be_shortened_but_not_guessed(bench: Bench) -> None:
    bench.ingest("nothing")
    item_id = bench.quarantine.items()[0]["item_id"]
    assert bench.quarantine.show(item_id[:8])["item_id"] == item_id
    for bad in ("", "%", "_" * 32, "zz"):
        with pytest.raises(BadInput, match="no quarantine item"):
            bench.quarantine.show(bad)
    for number in range(40):
        bench.ingest(f"nothing {number}", name=f"{number}.csv")
    with pytest.raises(BadInput, match="several quarantine items"):
        bench.quarantine.show(next(a for a in "0123456789abcdef" if sum(i["item_id"][0] == a for i in bench.quarantine.items()) > 1))  # fmt: skip  # noqa: E501


# The page of the ingestion asset.


def page(bench: Bench, *texts: str) -> str:
    reports = [bench.ingest(text, name=f"{place}.csv") for place, text in enumerate(texts)]
    return ingestion_page(reports, bench.quarantine.items("plant"), site_id="plant")


def test_the_page_says_what_was_refused_why_and_how_to_go_on(bench: Bench) -> None:
    bench.ingest(HEADER + "other,2025-01-01T00:00Z,1\n" + quarter_rows("main", [9]), name="earlier.csv")
    shown = page(bench, HEADER + "annex,2025-02-01T00:00Z,1\n" + quarter_rows("main", [1, 2]), "nothing")
    assert "| 0.csv | quarantine | 2 | 1 | 2 | 0 | unknown&#95;meter |" in shown.replace("corrected", "")
    assert "| 1.csv | reject | 0 | 0 | 0 | 0 |" in shown
    assert "| 1 | unknown&#95;meter | The meter is not of the site |" in shown
    assert "0.csv:2" in shown
    assert "got 'annex'" in shown
    assert "earlier.csv" not in shown
    assert "`meterloom quarantine list --site plant`" in shown


def test_a_page_of_good_files_shows_no_refusals(bench: Bench) -> None:
    shown = page(bench, HEADER + quarter_rows("main", [1, 2]))
    assert "accept" in shown
    assert "Refused" not in shown


def test_a_common_fault_does_not_hide_a_rare_one(bench: Bench) -> None:
    rows = "".join(f"annex,2025-01-01T{n:02}:00Z,1\n" for n in range(20)) + "main,2025-01-01T00:00Z,x\n"
    shown = page(bench, HEADER + rows + quarter_rows("main", [1, 2], start="2025-01-02T00:00"))
    assert "got 'x'" in shown
    assert shown.count("got 'annex'") == 3
