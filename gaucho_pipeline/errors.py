"""The errors that a person sees: one line that names the place, the trouble and the remedy; and the sentences that a person meets."""


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


def _(sentence: str, **values: object) -> str:
    """A sentence that a person meets, with values in the place of its placeholders: `_("{path}: is not there", path=path)`.

    Every one goes through here, written once, in English: it is what a catalogue of translations goes by. Format specifications stand
    with the placeholder, as in `{share:.0%}`. What a value holds is never read as a placeholder.
    """
    return sentence.format(**values) if values else sentence


def first_line(error: BaseException) -> str:
    """What a library's error says, in one line that a person can read: its first, or its kind where it says nothing."""
    lines = str(error).strip().splitlines()
    text = lines[0].strip()[:_MAX_SIGNS] if lines else type(error).__name__
    return "".join(sign if sign.isprintable() else "\N{REPLACEMENT CHARACTER}" for sign in text)


_MAX_SIGNS = 300
