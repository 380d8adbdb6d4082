"""Which kinds of model forecast a PV meter: told by the site file, whose asset of kind pv names the meter."""

from data_quality.contracts.site_file.site import Site
from ml.forecasts.forecast_model import Fitter
from ml.forecasts.models.pv_floors import ClearSkyPersistence, PvFloorFitter, PvPhysics
from ml.forecasts.models.pv_plant import PlantGiven, plant_given
from ml.forecasts.models.pv_residual import PvPhysicsResidualFitter


def pv_fitters(given: PlantGiven) -> tuple[Fitter, ...]:
    """The learnt model and its two floors, for a plant of which the site file says so much."""
    return (
        PvPhysicsResidualFitter(given),
        PvFloorFitter(PvPhysics, given),
        PvFloorFitter(ClearSkyPersistence, given),
    )


def pv_fitters_of(site: Site, meter_id: str) -> tuple[Fitter, ...]:
    """Those of a meter; none where no PV asset is behind it."""
    given = plant_given(site, meter_id)
    return () if given is None else pv_fitters(given)


# To read stored models with: what they were told of the plant is in their files.
PV_KINDS = pv_fitters(PlantGiven())
