"""The tags of runs, by which they are found in the web UI."""

from collections.abc import Mapping

PARTITION_TAG = "dagster/partition"
"""Dagster's own, on runs of one partition."""

PRIORITY_TAG = "dagster/priority"
"""Dagster's own: of what waits in the queue, the greatest goes first. What a person starts has none, which is 0."""
BY_ITSELF = {PRIORITY_TAG: "-1"}
"""On runs that nobody asked for just now: a person's own go before them."""
RUNS_A_TICK = 10
"""Runs that one look of a sensor asks for; the others' turn comes with the next looks."""
RUN_KEY_TAG = "dagster/run_key"
"""Dagster's own, on runs that a sensor asked for by a key."""

CONCEPT_TAG = "gaucho/concept"
"""What a run is for."""
REASON_TAG = "gaucho/reason"
"""Why it was started."""
FORCE_TAG = "gaucho/force"
ACCEPT_LOSSES_TAG = "gaucho/accept_losses"
"""On a crawl of which somebody has said that a source may lose more than half of its images; it is made again then."""
"""Makes again what exists already, if it is "true"."""
ATTEMPT_TAG = "gaucho/attempt"
"""How often the same was tried again by itself."""
PROCESS_TAG = "gaucho/process"
"""The machine and the process of a run of the command line."""
HOST_TAG = "gaucho/host"
"""The machine that launched a run of the web UI."""
GONE_TAG = "gaucho/process_gone"
"""On runs that were ended because their process was gone: the machine's fault, so that they may be tried again."""


def concept_of(tags: Mapping[str, str]) -> str:
    """What a run is for, whoever started it; empty where it does not say."""
    return tags.get(PARTITION_TAG) or tags.get(CONCEPT_TAG, "")
