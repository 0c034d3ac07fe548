"""Where the steps of a run are done: in the run's own process, or on the nodes of a Ray cluster, if GAUCHO_RAY names one.

`GAUCHO_RAY` is the address of the cluster's dashboard, such as `http://head:8265`. What a step needs of GPUs is with its asset. Nodes
need this package, `concepts.yaml` at the same path, and one data folder: a shared disk, or one each with GAUCHO_STORE behind them.
"""

from __future__ import annotations

import os

import dagster as dg

from gaucho_pipeline.assets.table import Asset
from gaucho_pipeline.errors import ConfigError, _
from gaucho_pipeline.spec import JsonObject

RAY_VARIABLE = "GAUCHO_RAY"
_HANDED_ON = ("GAUCHO_CONCEPTS", "GAUCHO_DATA", "GAUCHO_CONTACT", "GAUCHO_STORE", "GAUCHO_GPUS_PER_STEP", RAY_VARIABLE, "PYTHONPATH")
"""Variables of whoever starts a run that its steps see on the nodes. Secrets are the nodes' own: Ray shows what is handed on."""
_LOST_NODE_RETRIES = 2
_RETRY_SECONDS = 30


def is_on_ray() -> bool:
    return bool(os.environ.get(RAY_VARIABLE, "").strip())


def choose_executor() -> dg.ExecutorDefinition:
    """Raises ConfigError where a cluster is named and `gaucho-pipeline[ray]` is not installed."""
    if not is_on_ray():
        return dg.in_process_executor
    try:
        from dagster_ray import ray_executor
    except ImportError:
        raise ConfigError(
            _("{ray_variable}: needs dagster-ray; install: pip install 'gaucho-pipeline[ray]'", ray_variable=RAY_VARIABLE)
        ) from None
    names = [name for name in _HANDED_ON if os.environ.get(name)]
    return ray_executor.configured({"ray": {"address": {"env": RAY_VARIABLE}, "env_vars": names}})


def op_tags(asset: Asset) -> JsonObject:
    """What Dagster's executors read of an asset's needs: one GPU for whatever is of the pool."""
    if asset.pool is None:
        return JsonObject()
    gpus = float(os.environ.get("GAUCHO_GPUS_PER_STEP", "1"))
    on_kubernetes = {"container_config": {"resources": {"limits": {"nvidia.com/gpu": 1}}}}
    return JsonObject({f"gaucho/{asset.pool}": "1", "dagster-ray/config": {"num_gpus": gpus}, "dagster-k8s/config": on_kubernetes})


def retry_policy(asset: Asset) -> dg.RetryPolicy | None:
    """How often a step is begun again: a crawl because the web may answer a little later, on a cluster all because nodes die."""
    retries = max(asset.retries, _LOST_NODE_RETRIES if is_on_ray() else 0)
    return dg.RetryPolicy(max_retries=retries, delay=_RETRY_SECONDS) if retries else None
