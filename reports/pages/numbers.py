"""Numbers of a page, each with its unit, age, why and live source, and its pictures."""

from datetime import datetime
from typing import Literal

from data_quality.contracts.live.live_value import Band
from data_quality.contracts.model import Model
from data_quality.contracts.sentence import Sentence, Text
from data_quality.contracts.time import clock_of, zone
from reports.report_content import Tone
from reports.texts.locales import day_of_month

State = Literal["value", "finding", "none", "not_set_up"]


class Live(Model):
    """Live source of a number, which the browser goes on showing as values come.

    point: `site/source/point`. at_utc: when its value was measured; limits_s: ages after which it is old and gone, and
    band: which of them it is now (contracts/live/live_value.py). told: the words for its age, which stands for {0}.
    time_zone, locale: in which it is told since when it is gone.
    """

    point: str
    at_utc: datetime
    limits_s: tuple[float, float]
    band: Band
    told: Text
    age: Text
    time_zone: str = "UTC"
    locale: str = "en"

    @property
    def why_gone(self) -> str:
        """Reason that it is not shown; no second age, for this does not go on."""
        at = self.at_utc.astimezone(zone(self.time_zone))
        return Sentence("stale since {0}", f"{day_of_month(at.date(), self.locale)}, {clock_of(at)}")


class Number(Model):
    """One number with what belongs to it. text: as people read it, a dash where there is none.

    why: the address that explains it. note: one short line, such as "against 1,204 the week before".
    figure_id: of the figure that it is; its unrounded value goes to CSV and script.
    """

    label: Text
    text: Text
    unit: Text = ""
    note: Text = ""
    why: str = ""
    tone: Tone = "plain"
    figure_id: str = ""
    live: Live | None = None


class Picture(Model):
    """A server-made picture; the words beside it say the same to who cannot see it. is_live: it holds live numbers,
    which the browser goes on showing.
    """

    kind: Literal["picture"] = "picture"
    key: str
    title: Text
    svg: str
    caption: Text
    is_live: bool = False


class Numbers(Model):
    """Headline numbers side by side."""

    kind: Literal["numbers"] = "numbers"
    numbers: tuple[Number, ...]
