"""What an event must say so that the amounts on both sides of it can be known: its final and initial reads."""

from data_quality.contracts.site_file.meter_event import EventKind, MeterEvent

NAME = "register_exchange"
MEANING = "Another meter, another place or another multiplier: the display goes on from somewhere else"


def missing_reads(event: MeterEvent) -> tuple[str, ...]:
    """Codes for what nobody wrote down, e.g. exchange_without_final_read; a rollover needs no reads."""
    if event.kind is EventKind.ROLLOVER:
        return ()
    found = []
    if event.ends_at is None:
        found.append(f"{event.kind.value}_without_final_read")
    if event.begins_at is None and event.kind is not EventKind.MULTIPLIER_CHANGE:
        found.append(f"{event.kind.value}_without_initial_read")
    return tuple(found)
