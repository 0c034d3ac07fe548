"""Why something was not fetched: one type for each way to fail. How hosts are asked is in `fetching.py`."""

from __future__ import annotations

from gaucho_pipeline.errors import GauchoError, _


class FetchError(GauchoError):
    """Something could not be fetched.

    `permanent`: no later crawl asks again, under the same specification; only for what its host says is gone, or not for this use.
    `retry`: another attempt in this crawl may end otherwise.
    """

    def __init__(self, reason: str, permanent: bool = False, retry: bool = True) -> None:
        super().__init__(reason)
        self.reason, self.permanent, self.retry = reason, permanent, retry and not permanent


class DisallowedHost(FetchError):
    """An address is one where this crawl may not go."""


class OptedOut(FetchError):
    """Something may not be fetched or used: whoever publishes it says so."""


class NetworkError(FetchError):
    """The network did not bring an answer."""

    text = _("failed")
    may_retry = True

    def __init__(self) -> None:
        super().__init__(self.text, retry=self.may_retry)


class TimedOut(NetworkError):
    text = _("timed out")


class ConnectionRefused(NetworkError):
    text = _("refused the connection")


class HostNotFound(NetworkError):
    text = _("cannot be found")


class CutOff(NetworkError):
    text = _("was cut off")


class TooLarge(NetworkError):
    text = _("too large")
    may_retry = False


class BadCertificate(NetworkError):
    text = _("has a bad certificate")
    may_retry = False
