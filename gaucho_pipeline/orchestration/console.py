"""What a run prints on the terminal of whoever started it: warnings and failures. All of it is in the run's log."""

import logging

import dagster as dg

_FORMAT = "%(asctime)s %(message)s"


@dg.logger(config_schema={"log_level": dg.Field(str, default_value="WARNING", description="The least that is printed")})
def console(context: dg.InitLoggerContext) -> logging.Logger:
    """A logger of Dagster's, quieter than its own, which prints every event."""
    logger = logging.Logger("gaucho", context.logger_config["log_level"])
    handler = logging.StreamHandler()
    handler.setFormatter(logging.Formatter(_FORMAT))
    logger.addHandler(handler)
    return logger
