"""Pictures in the Dagster UI show all that they are given."""

from datetime import UTC, datetime, timedelta

from orchestration.previews import lines

TIMES = [datetime(2025, 1, 1, tzinfo=UTC) + timedelta(hours=n) for n in range(3)]


def test_a_line_of_every_device_is_drawn_however_many_there_are() -> None:
    def picture(last: float) -> str:
        series = {f"device {n}": [float(n), n + 1.0, 0.0] for n in range(9)} | {"the tenth": [2.0, last, 2.0]}
        return lines(TIMES, series, title="Plan", unit="kW").value

    assert picture(2.0) != picture(7.0)
