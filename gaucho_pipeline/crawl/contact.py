"""Who asks: the contact that public sites are told, and the private hosts that may be asked without one.

Light to import, so that a missing contact is found before any work starts.
"""

from __future__ import annotations

import os
from collections.abc import Iterable

from gaucho_pipeline.crawl.optouts import AGENT
from gaucho_pipeline.errors import ConfigError, _


def allowed_private_hosts() -> frozenset[str]:
    """The host names and addresses that GAUCHO_ALLOW_PRIVATE_HOSTS lists."""
    return frozenset(h.strip().lower() for h in os.environ.get("GAUCHO_ALLOW_PRIVATE_HOSTS", "").split(",") if h.strip())


def _contact() -> str:
    return " ".join(os.environ.get("GAUCHO_CONTACT", "").split())


def has_contact() -> bool:
    """Whether public hosts can be told whom to write to."""
    return bool(_contact())


def user_agent(hosts: Iterable[str]) -> str:
    """What the crawl says it is to these hosts. Raises ConfigError if a public one would be asked without a contact."""
    contact = _contact()
    public = [host for host in hosts if host not in allowed_private_hosts()]
    if public and not contact:
        raise ConfigError(_("GAUCHO_CONTACT: {public} must know whom to write to; set it to your e-mail or web page", public=public[0]))
    return f"{AGENT}/0.1 ({contact or 'local test'})"
