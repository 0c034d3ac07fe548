"""What a run prints on the terminal of whoever started it: warnings and failures. All of it is in the run's log."""

import logging
import os

import dagster as dg

from gaucho_pipeline.orchestration.dagster_internals import replace_default_logger

QUIET_VARIABLE = "GAUCHO_QUIET"
"""Set by `gaucho ui` for the runs that it starts."""
_FORMAT = "%(asctime)s %(message)s"


class _OneLine(logging.Formatter):
    """Says what happened, without the calls that led there: those are in the run's log."""

    def format(self, record: logging.LogRecord) -> str:
        return " ".join(super().format(record).partition("\n\nStack Trace:")[0].split())


@dg.logger(config_schema={"log_level": dg.Field(str, default_value="WARNING", description="The least that is printed")})
def console(context: dg.InitLoggerContext) -> logging.Logger:
    """A logger of Dagster's, quieter than its own, which prints every event."""
    logger = logging.Logger("gaucho", context.logger_config["log_level"])
    handler = logging.StreamHandler()
    handler.setFormatter(_OneLine(_FORMAT))
    logger.addHandler(handler)
    return logger


def quiet_if_asked() -> None:
    """Has runs of this process print no more than that, if they are those of `gaucho ui`: no configuration says it for all of them."""
    if os.environ.get(QUIET_VARIABLE):
        replace_default_logger(console, {"log_level": "WARNING"})
