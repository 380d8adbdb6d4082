"""The record of a site's agent says of the month so far what the operations report counts, in words of people."""

from datetime import timedelta

from orchestration.views.agent_record import agent_record, record_line
from tests.reports.test_operations_report import JULY, JUNE, months, year
from tests.reports.year_world import Year

__all__ = ["year"]


def test_the_month_so_far_is_told_with_its_reasons_in_words_and_the_longest_wait(year: Year) -> None:
    months(year)
    found = agent_record(year.sources(), year.site, JUNE + timedelta(days=20))
    assert (found["month"], found["availability"], found["longest_wait_s"]) == ("2025-06", 0.75, 41)
    assert record_line(found) == (
        "agent available in 75.00% of the quarter hours of 2025-06 with released commands (4, 1 missed); "
        "an agent took over from the one before 2 times, longest wait 41 s; "
        "commands put back: 1 × an interlock refused to hold it; 1 × the mode was lowered"
    )
    told = record_line(agent_record(year.sources(), year.site, JULY + timedelta(days=1)))
    assert "(1, 0 missed)" in told
    assert told.endswith("commands put back: 1 × a person gave it back")


def test_a_month_without_a_released_command_has_no_availability_and_what_is_known_at_an_instant_is_told(
    year: Year,
) -> None:
    months(year)
    assert record_line(agent_record(year.sources(), year.site, JUNE - timedelta(days=40))) == (
        "no command waited for an agent in 2025-05: its availability is not known; commands put back: none"
    )
    assert agent_record(year.sources(), year.site, JUNE + timedelta(minutes=10))["wanted_quarter_hours"] == 1
