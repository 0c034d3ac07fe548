"""The errors that a person sees: one line that names the place, the trouble and the remedy."""


class GauchoError(Exception):
    """Work that failed and that a retry cannot mend. Programs exit with `exit_code`."""

    exit_code = 1


class ConfigError(GauchoError):
    """A mistake in what a person wrote: a file, a key, a name, an environment variable."""

    exit_code = 2
