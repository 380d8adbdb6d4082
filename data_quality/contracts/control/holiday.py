"""Holiday of a household: until when nobody is at home, who says so and why. Pure."""

from datetime import datetime, timedelta

from data_quality.contracts.model import Model

# A longer absence is a house that is shut down, which a site file says.
LONGEST = timedelta(days=180)


class Holiday(Model):
    """A holiday that holds: until then a plan keeps what an empty home needs, from then on its usual bands.

    since_utc: when it was recorded.
    """

    site_id: str
    until_utc: datetime
    person_id: str
    reason: str
    since_utc: datetime
