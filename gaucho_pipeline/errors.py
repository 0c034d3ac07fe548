"""The errors that a person sees: one line that names the place, the trouble and the remedy."""


class GauchoError(Exception):
    """Work that failed and that a retry cannot mend. Programs exit with `exit_code`."""

    exit_code = 1
    is_transient = False


class ConfigError(GauchoError):
    """A mistake in what a person wrote: a file, a key, a name, an environment variable."""

    exit_code = 2


class TransientError(GauchoError):
    """Work that may succeed a little later as it is: a connection was lost, a site did not answer."""

    is_transient = True


class ForgottenError(GauchoError):
    """An image that a person had removed, and that must not come back."""
