"""Methods of teaching by name. A new method is a module beside these and an entry here."""

from gaucho_pipeline.methods.base import Method
from gaucho_pipeline.methods.dreambooth import DreamBooth
from gaucho_pipeline.methods.lora import Lora

METHODS: dict[str, type[Method]] = {method.name: method for method in (Lora, DreamBooth)}

__all__ = ["METHODS", "Method"]
