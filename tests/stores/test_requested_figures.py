"""Requested figures: a second request writes nothing, what is broken is begun anew, many requests at once."""

import sqlite3
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pytest

from assets.stores.published import requested_figures
from assets.stores.published.report_ledger import keep_site_version
from assets.stores.published.requested_figures import FILE, FOLDER, KEPT_FOR, RequestedFigures
from assets.stores.transactions import Store
from data_quality.contracts.reporting.figure import Figure, Trace
from data_quality.contracts.site_file.site import Site
from data_quality.contracts.time import FixedClock
from tests.reports.plant import plant_site

NOW = datetime(2026, 3, 1, 10, tzinfo=UTC)
DAY = timedelta(days=1)


def figures(count: int, name: str = "f") -> list[Figure]:
    trace = Trace(computation="scope_kpi", code_sha256="1", parameters={"site": "s"}, as_of_utc=NOW, inputs=())
    return [
        Figure(
            figure_id=f"{name}{at}", path="p", label="l", kpi="consumption_kwh", scope="site:s", start=date(2026, 1, 1),
            end=date(2026, 2, 1), value=Decimal(at), unit="kwh", trace=trace,
        )
        for at in range(count)
    ]  # fmt: skip


def file_of(folder: Path) -> Path:
    return folder / FOLDER / FILE


def test_who_asks_again_that_day_writes_nothing_and_the_next_day_keeps_longer(tmp_path: Path) -> None:
    figure_store, [one] = RequestedFigures(tmp_path), figures(1)
    until = figure_store.keep([one], now_utc=NOW)
    assert until is not None
    assert NOW + KEPT_FOR <= until < NOW + KEPT_FOR + DAY
    with closing(sqlite3.connect(file_of(tmp_path))) as writer:
        # Somebody else writes: who adds nothing waits for nobody.
        writer.execute("begin immediate")
        assert figure_store.keep([one], now_utc=NOW + timedelta(hours=2)) == until
        writer.rollback()
    later = figure_store.keep([one], now_utc=NOW + DAY)
    assert later == until + DAY
    assert figure_store.figure(one.figure_id, now_utc=later - timedelta(seconds=1)) == one
    assert figure_store.figure(one.figure_id, now_utc=later + timedelta(seconds=1)) is None


def test_what_is_over_and_what_is_too_much_goes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    figure_store = RequestedFigures(tmp_path)
    figure_store.keep(figures(5, "old"), now_utc=NOW)
    figure_store.keep(figures(5, "mid"), now_utc=NOW + 20 * DAY)
    monkeypatch.setattr(requested_figures, "MOST_KEPT", 7)
    figure_store.keep(figures(4, "new"), now_utc=NOW + 32 * DAY)
    with closing(sqlite3.connect(file_of(tmp_path))) as db:
        names = sorted(name[:3] for (name,) in db.execute("select figure_id from figures"))
        # What is over is found, and all are counted, without reading a figure.
        plans = [
            str(db.execute(f"explain query plan {sql}", given).fetchall())
            for sql, given in (("delete from figures where until_s < ?", (1,)), ("select count(*) from figures", ()))
        ]
    assert names == ["mid"] * 3 + ["new"] * 4
    assert all("figures_by_end" in each for each in plans), plans


def test_answers_that_take_too_much_room_go_from_the_oldest_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(requested_figures, "MOST_BYTES", 500_000)
    figure_store = RequestedFigures(tmp_path)
    for day in range(40):
        [one] = figures(1, f"{day}-")
        named = one.trace.model_copy(update={"parameters": {"numbers": "1" * 50_000}})
        figure_store.keep([one.model_copy(update={"trace": named})], now_utc=NOW + day * DAY / 2)
    found = [day for day in range(40) if figure_store.figure(f"{day}-0", now_utc=NOW + 20 * DAY) is not None]
    assert found[-1] == 39
    assert found == list(range(found[0], 40))
    assert 5 <= len(found) <= 12


def test_of_a_few_answers_that_take_too_much_room_the_newest_alone_stays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(requested_figures, "MOST_BYTES", 50_000)
    figure_store = RequestedFigures(tmp_path)
    for name in ("old", "mid", "new"):
        [one] = figures(1, name)
        named = one.trace.model_copy(update={"parameters": {"numbers": "1" * 200_000}})
        figure_store.keep([one.model_copy(update={"trace": named})], now_utc=NOW)
        assert figure_store.figure(f"{name}0", now_utc=NOW) is not None
    assert [figure_store.figure(f"{name}0", now_utc=NOW) is not None for name in ("old", "mid")] == [False, False]


def test_a_file_that_is_broken_is_begun_anew(tmp_path: Path) -> None:
    file = file_of(tmp_path)
    file.parent.mkdir()
    file.write_bytes(b"no database at all" * 100)
    figure_store, [one] = RequestedFigures(tmp_path), figures(1)
    assert figure_store.figure(one.figure_id, now_utc=NOW) is None
    assert figure_store.keep([one], now_utc=NOW) is not None
    assert figure_store.figure(one.figure_id, now_utc=NOW) == one


def test_a_figure_of_another_release_is_kept_anew_when_it_is_asked_again(tmp_path: Path) -> None:
    figure_store, [one] = RequestedFigures(tmp_path), figures(1)
    figure_store.keep([one], now_utc=NOW)
    with closing(sqlite3.connect(file_of(tmp_path))) as db, db:
        db.execute("update figures set figure = json_set(figure, '$.gone', 1)")
    assert figure_store.figure(one.figure_id, now_utc=NOW) is None
    figure_store.keep([one], now_utc=NOW)
    assert figure_store.figure(one.figure_id, now_utc=NOW) == one


def test_many_ask_at_once_from_the_first_moment_on(tmp_path: Path) -> None:
    def ask(at: int) -> bool:
        return RequestedFigures(tmp_path).keep(figures(50, f"{at}-"), now_utc=NOW) is not None

    with ThreadPoolExecutor(8) as pool:
        assert all(pool.map(ask, range(24)))
    assert RequestedFigures(tmp_path).figure("23-49", now_utc=NOW) is not None


def test_a_folder_that_cannot_be_made_takes_no_number_away(tmp_path: Path) -> None:
    (tmp_path / FOLDER).write_text("a file where the folder should be")
    assert RequestedFigures(tmp_path).keep(figures(1), now_utc=NOW) is None


def test_the_site_of_an_asked_figure_is_kept_once_and_who_only_asks_waits_for_no_writer(store: Store) -> None:
    site, clock = plant_site(), FixedClock(NOW)
    keep_site_version(store, site, "a" * 64, clock)
    with ThreadPoolExecutor(1) as pool, store.together():
        # The write transaction is held here; another thread asks meanwhile.
        pool.submit(keep_site_version, store, site, "a" * 64, clock).result(timeout=3)


def test_a_site_that_is_kept_is_not_written_out_again(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    site, clock, written = plant_site(), FixedClock(NOW), list[str]()
    keep_site_version(store, site, "a" * 64, clock)
    monkeypatch.setattr(Site, "model_dump", lambda _, **__: written.append("site"))
    keep_site_version(store, site, "a" * 64, clock)
    assert written == []
