"""A certificate or contract whose hours are known: the recorded instrument, and the stream that holds its energy."""

from pydantic import Field

from data_quality.contracts.model import Model


class HourlyInstrument(Model):
    """Where the hours of a recorded instrument stand.

    Its kilograms per kWh, its amount and its quality criteria are those of the factor store; the stream says in which
    hour its energy was made.
    """

    factor_id: str = Field(min_length=1, description="Of the certificate or contract in the factor store")
    stream: str = Field(min_length=1, description="Driver in kWh: energy made in each interval for this instrument")
