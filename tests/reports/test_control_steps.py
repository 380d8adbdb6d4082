"""From a plan to devices that follow it: one step at a time, each with its worst and its way back."""

from typing import Any

from data_quality.contracts.control.command import Mode
from reports.lifecycle.control_steps import ControlFacts, Named, Step, control_steps

HOME = {"planned": ("battery", "car"), "has_plan": True}
CONNECTED = HOME | {
    "connected": ("battery", "car"),
    "answering": ("battery", "car"),
    "engineers": ("carla", "eve"),
    "modes": {"battery": Mode.SIMULATION, "car": Mode.SIMULATION},
}


def step(**known: Any) -> Step | None:
    """The step of a home of which that is known; there is never more than one."""
    found = list(
        control_steps(
            Named(option="", site_id="home"),
            ControlFacts(**known),
            site_file="sites/home.yaml",
            people_file="people.yaml",
        )
    )
    assert len(found) <= 1
    return found[0] if found else None


def command(**known: Any) -> str:
    """Its command, without the reason."""
    found = step(**known)
    assert found is not None
    return found.command.removeprefix("meterloom ").partition(" --reason ")[0]


def in_mode(site: Mode, **devices: Mode) -> dict[str, Any]:
    """The connected home in a mode, with those of its devices."""
    return CONNECTED | {"mode": site, "modes": {"battery": site, "car": site} | devices}


def test_a_home_without_devices_has_no_step() -> None:
    assert step(planned=()) is None


def test_first_what_stands_in_the_way_then_the_plan_then_its_devices() -> None:
    assert command(**HOME | {"in_the_way": "no forecast", "mend": "meterloom forecast issue --site home"}) == (
        "forecast issue --site home"
    )
    assert command(**HOME | {"in_the_way": "no tariff"}).endswith("+1 sites/home.yaml")
    assert command(planned=("battery",)) == "plan --site home --for tomorrow"
    assert command(**HOME).endswith("+1 sites/home.yaml")
    assert command(**HOME | {"connected": ("battery",)}) == "devices test battery --site home"
    assert command(**CONNECTED | {"engineers": ()}).endswith("+1 people.yaml")
    assert command(**CONNECTED) == "dispatch mode ADVISORY --site home --as carla"


def test_one_device_is_commanded_before_the_others() -> None:
    assert command(**in_mode(Mode.ADVISORY)) == "dispatch mode ADVISORY --site home --device car --as carla"
    low = in_mode(Mode.ADVISORY) | {"kept_low": ("car",)}
    assert command(**low) == "dispatch mode PARTIAL --site home --as carla"
    first = in_mode(Mode.PARTIAL, car=Mode.ADVISORY)
    assert command(**first) == "dispatch mode PARTIAL --site home --device car --as carla"


def test_full_takes_two_and_a_household_of_one_is_told_what_it_goes_without() -> None:
    partial = in_mode(Mode.PARTIAL)
    alone = step(**partial | {"engineers": ("carla",)})
    assert alone is not None
    assert "a household of one stays in PARTIAL" in alone.why
    assert "30 %" in alone.why
    assert command(**partial) == "dispatch mode FULL --site home --as carla"
    open_one = partial | {"request": 7, "requested_by": "carla"}
    assert command(**open_one) == "dispatch approve 7 --site home --as eve"
    assert step(**in_mode(Mode.FULL)) is None


def test_each_step_to_hardware_says_its_worst_and_its_way_back() -> None:
    for known in (CONNECTED, in_mode(Mode.ADVISORY) | {"kept_low": ("car",)}):
        found = step(**known)
        assert found is not None
        assert "at worst" in found.why
        assert "back: meterloom dispatch stop --site home --as carla" in found.why
        assert not found.is_needed
