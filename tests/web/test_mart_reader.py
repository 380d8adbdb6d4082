"""Marts in memory say what the files say, whoever asks and whenever they change."""

import os
import threading
from collections.abc import Callable
from datetime import UTC, date, datetime
from functools import partial
from pathlib import Path

import polars as pl
import pytest

from assets.stores.warehouse.marts import MartReader, mart_stamp, read_mart, write_mart
from data_quality.contracts.errors import BadInput, Unreachable

NAME, HOURS = "mart_scope__day_kpi", "mart_meter__hour_energy"
Write = Callable[..., None]


def rows(value: float, *, years: tuple[int, ...] = (2024, 2025), sites: tuple[str, ...] = ("a", "ab")) -> pl.DataFrame:
    return pl.DataFrame(
        [
            (site, scope, date(year, month, 1), value + month)
            for site in sites
            for scope in (f"site:{site}", f"site:{site}/water", f"site:{site}x")
            for year in years
            for month in range(1, 13)
        ],
        schema=["site_id", "scope", "period_start", "energy_kwh"],
        orient="row",
    ).sort("site_id", "scope", "period_start")


@pytest.fixture
def marts(tmp_path: Path) -> Path:
    write_mart(rows(1.0), tmp_path, NAME, years=None)
    return tmp_path


@pytest.mark.parametrize("scope", [None, "site:a", "site:none"])
@pytest.mark.parametrize("years", [None, {2024}, {2024, 2025}, {1999}])
@pytest.mark.parametrize("site_id", [None, "a", "nobody"])
def test_memory_says_what_the_files_say(
    marts: Path, scope: str | None, years: set[int] | None, site_id: str | None
) -> None:
    reader, files = MartReader(marts), partial(read_mart, marts)
    for where in (None, pl.col("energy_kwh") > 5):
        wanted = files(NAME, site_id=site_id, years=years, scope=scope, where=where)
        for _ in range(2):
            assert reader(NAME, site_id=site_id, years=years, scope=scope, where=where).equals(wanted)


def test_a_scope_takes_its_parts_along_and_no_namesake(marts: Path) -> None:
    found = MartReader(marts)(NAME, site_id="a", scope="site:a")
    assert set(found["scope"]) == {"site:a", "site:a/water"}


def test_a_meter_is_a_scope_too(tmp_path: Path) -> None:
    at = datetime(2025, 1, 1, tzinfo=UTC)
    frame = pl.DataFrame(
        [("s", meter, at, date(2025, 1, 1)) for meter in ("m", "m2")],
        schema=["site_id", "meter_id", "hour_start_utc", "local_date"],
        orient="row",
    )
    write_mart(frame, tmp_path, HOURS, years=None)
    assert MartReader(tmp_path)(HOURS, site_id="s", scope="meter:m")["meter_id"].to_list() == ["m"]


def test_a_rewritten_year_is_read_anew_and_its_former_self_given_up(marts: Path) -> None:
    reader = MartReader(marts)
    first, stamp = reader(NAME, site_id="a", scope="site:a"), mart_stamp(marts, "a")
    kept = reader._bytes
    other = mart_stamp(marts, "ab")
    write_mart(rows(7.0, years=(2025,), sites=("a",)), marts, NAME, years={"a": [2025]})
    later = reader(NAME, site_id="a", scope="site:a")
    assert not later.equals(first)
    assert later.equals(read_mart(marts, NAME, site_id="a", scope="site:a"))
    assert mart_stamp(marts, "a") != stamp
    assert mart_stamp(marts, "ab") == other
    assert reader._bytes == kept


def test_memory_is_bounded_and_a_frame_too_large_is_never_kept(marts: Path) -> None:
    one = int(MartReader(marts)(NAME, site_id="a", scope="site:a", years={2025}).estimated_size())
    small = MartReader(marts, most_bytes=one * 5)
    for scope in ("site:a", "site:ab", "site:ax", "site:abx"):
        small(NAME, scope=scope)
        assert 0 < small._bytes <= one * 5
    tiny = MartReader(marts, most_bytes=8)
    assert tiny(NAME, site_id="a").height == 72
    # The schema without rows is as small as a frame can be, and still counts.
    assert tiny._bytes <= 8


def test_a_mart_that_is_not_published_says_so(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="is not published yet") as fault:
        MartReader(tmp_path)(NAME, site_id="a")
    assert fault.value.reason == "mart_missing"


def test_files_that_vanish_while_they_are_read_are_looked_for_again(
    marts: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    reader, real, gone = MartReader(marts), Path.stat, [2]

    def stat(self: Path, **given: bool) -> os.stat_result:
        if self.name == "2025.parquet" and gone[0]:
            gone[0] -= 1
            raise FileNotFoundError(self)
        return real(self, **given)

    monkeypatch.setattr(Path, "stat", stat)
    assert reader(NAME, site_id="a").height == 72
    gone[0] = 1000
    with pytest.raises(Unreachable, match="replaced faster"):
        reader(NAME, site_id="a")


def test_four_threads_read_while_a_fifth_publishes(marts: Path) -> None:
    """Whatever is read is one publication of each file, never half of one."""
    reader, faults, stop = MartReader(marts, most_bytes=40_000), list[str](), threading.Event()

    def read() -> None:
        while not stop.is_set():
            try:
                found = reader(NAME, site_id="a", scope="site:a", years={2025})
            except Unreachable:
                continue
            firsts = {value - month for month, value in zip([1, *range(2, 13)] * 2, found["energy_kwh"], strict=True)}
            if found.height != 24 or len(firsts) != 1:
                faults.append(f"{found.height} rows of {firsts}")

    threads = [threading.Thread(target=read) for _ in range(4)]
    for each in threads:
        each.start()
    for turn in range(60):
        write_mart(rows(float(turn), years=(2025,), sites=("a",)), marts, NAME, years={"a": [2025]})
    stop.set()
    for each in threads:
        each.join()
    assert faults == []
