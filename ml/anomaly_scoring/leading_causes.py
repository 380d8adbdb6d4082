"""The model of causes that a project is judged by: its own where one leads, else as it was shipped."""

from assets.stores.ledgers.cause_models import CauseModels, CauseVersion
from assets.stores.transactions import Store
from data_quality.contracts.errors import OurFault
from ml.anomaly_causes.cause_model import CauseModel, shipped_causes


def leading_causes(store: Store) -> CauseModel:
    """The version upon the shipped one that a person accepted last; a release with another shipped one begins anew.

    Raises OurFault where the stored parameters are not those of their digest.
    """
    shipped = shipped_causes()
    leads = CauseModels(store).leading(shipped.version)
    return shipped if leads is None else opened(leads)


def opened(version: CauseVersion) -> CauseModel:
    """The model of a stored version. Raises OurFault as above."""
    model = CauseModel.model_validate(version.parameters)
    if model.digest != version.digest:
        raise OurFault(f"the parameters of version {version.version} of the causes are not those of its digest")
    return model
