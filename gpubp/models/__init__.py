"""Models: layers drawn into a graph or put in a row, and what one does with them."""

from gpubp.models.clone import clone_model
from gpubp.models.model import Model
from gpubp.models.sequential import Sequential

from gpubp.saving import load_model, save_model  # isort: skip - of models, which have to be there
from gpubp.models.architecture import model_from_json  # isort: skip

__all__ = ["Model", "Sequential", "clone_model", "load_model", "model_from_json", "save_model"]
