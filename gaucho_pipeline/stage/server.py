"""The environment of stage programs, and the stage server that has imported what they need. How it forks is in `processes/stage_server.py`.

Nothing of what stages import is imported here.
"""

from __future__ import annotations

import contextlib
from collections.abc import Mapping

from gaucho_pipeline.assets.table import ASSETS
from gaucho_pipeline.processes.stage_server import serving

PROGRAM_ENVIRONMENT = {
    "PYTHONUNBUFFERED": "1",
    "PYTHONSAFEPATH": "1",  # nothing is imported from the working folder, which may be another's
    "PYTHONWARNINGS": "ignore:resource_tracker:UserWarning",  # of a stage that is stopped: nothing leaks that matters
    "TRANSFORMERS_VERBOSITY": "error",
    "MALLOC_TRIM_THRESHOLD_": "4294967296",  # else large tensors are given back and faulted in again at every step
    "MALLOC_MMAP_THRESHOLD_": "33554432",
    "GOMP_SPINCOUNT": "100",  # a step takes a quarter of the time beside another busy process, and up to a sixth more alone
}
"""Variables that a stage's program finds set: they change how it runs, and nothing that it makes."""
PRELOADED = (
    *(f"{asset.program}.__main__" for asset in ASSETS.values()),
    "accelerate",
    "diffusers.loaders.lora_pipeline",
    "diffusers.pipelines.stable_diffusion.pipeline_stable_diffusion",
    "matplotlib.backends.backend_agg",
    "pandas",
    "peft",
    "PIL.JpegImagePlugin",
    "PIL.PngImagePlugin",
    "transformers.models.clip",
)
"""What stages import sooner or later: the programs, and of the libraries what they import only where it is needed."""


def stage_server(environment: Mapping[str, str], is_wanted: bool = True) -> contextlib.AbstractContextManager[object]:
    """Has a stage server run as long as the block. `environment`: that of the stages, but for PROGRAM_ENVIRONMENT, which is added."""
    return serving(PRELOADED, {**environment, **PROGRAM_ENVIRONMENT}, is_wanted)
