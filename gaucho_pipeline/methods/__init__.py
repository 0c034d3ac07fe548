"""Methods of teaching by name. A new method is a module beside these and a line here; what differs between them, its class says.

How a method's checkpoint is put on a base model for drawing is in `models/trained.py`, how it learns in `training/`.
"""

from gaucho_pipeline.methods.base import Method
from gaucho_pipeline.methods.dreambooth import DreamBooth
from gaucho_pipeline.methods.lora import Lora
from gaucho_pipeline.methods.t_lora import TLora

METHODS: dict[str, type[Method]] = {method.name: method for method in (Lora, TLora, DreamBooth)}
ADAPTER_METHODS = tuple(name for name, method in METHODS.items() if method.is_adapter)

__all__ = ["ADAPTER_METHODS", "METHODS", "Method"]
