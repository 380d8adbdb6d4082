"""Trees, lines and days alike together: what the product forecasts a load with."""

from collections.abc import Mapping

from ml.forecasts.models.blend import BlendFitter, Method
from ml.forecasts.models.gradient_boosting import TreeBagMethod
from ml.forecasts.models.hour_lines import HourLinesMethod
from ml.forecasts.models.parted import By, PartedMethod

ALGORITHM = "ensemble"


class EnsembleFitter(BlendFitter):
    """Weights follow what each part missed over the last weeks."""

    algorithm = ALGORITHM

    def __init__(self, parameters: Mapping[str, float | int] | None = None, *, by: By | None = None) -> None:
        """parameters: of LightGBM, in place of the trees' own. by: models of their own for each day type or lead."""
        methods: list[Method] = [TreeBagMethod(parameters), HourLinesMethod()]
        if by is not None:
            methods = [PartedMethod(each, by) for each in methods]
        super().__init__(ALGORITHM if by is None else f"{ALGORITHM}_by_{by}", methods)
