"""Trees, lines and days alike together: what the product forecasts a load with."""

from collections.abc import Mapping

from ml.forecasts.models.blend import BlendFitter
from ml.forecasts.models.gradient_boosting import TreeBagMethod
from ml.forecasts.models.hour_lines import HourLinesMethod

ALGORITHM = "ensemble"


class EnsembleFitter(BlendFitter):
    """Weights follow what each part missed over the last weeks."""

    algorithm = ALGORITHM

    def __init__(self, parameters: Mapping[str, float | int] | None = None) -> None:
        """parameters: of LightGBM, in place of the trees' own."""
        super().__init__(ALGORITHM, [TreeBagMethod(parameters), HourLinesMethod()])
