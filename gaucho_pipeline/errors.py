"""The errors that a person sees: one line that names the place, the trouble and the remedy; and the sentences that a person meets."""

from __future__ import annotations

import re


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
    with the placeholder, as in `{share:.0%}`. What a value holds is never read as a placeholder, nor by the terminal: colours come after.
    """
    return shown(sentence.format(**values)) if values else sentence


def shown(text: str) -> str:
    """A text as a terminal shows it and does not obey it: control signs, halves of pairs and signs that turn the reading as escapes."""
    return _OBEYED.sub(lambda found: found[0].encode("unicode_escape").decode(), text)


def first_line(error: BaseException) -> str:
    """What a library's error says, in one line that a person can read: its first, or its kind where it says nothing."""
    lines = str(error).strip().splitlines()
    return shown(lines[0].strip()[:_MAX_SIGNS] if lines else type(error).__name__)


_MAX_SIGNS = 300
_OBEYED = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")
