"""Who asks: the contact that public sites are told, and the private hosts that may be asked without one.

Light to import, so that a missing contact is found before any work starts.
"""

from __future__ import annotations

import os
from urllib.parse import urlsplit

from gaucho_pipeline.concepts import CrawlSpec
from gaucho_pipeline.errors import ConfigError


def allowed_private_hosts() -> frozenset[str]:
    """The host names and addresses that GAUCHO_ALLOW_PRIVATE_HOSTS lists."""
    return frozenset(h.strip().lower() for h in os.environ.get("GAUCHO_ALLOW_PRIVATE_HOSTS", "").split(",") if h.strip())


def user_agent(spec: CrawlSpec) -> str:
    """What the crawl says it is. Raises ConfigError if a public site would be asked without a contact."""
    contact = " ".join(os.environ.get("GAUCHO_CONTACT", "").split())
    hosts = [urlsplit(source.openverse.endpoint).hostname for source in spec.sources if source.openverse]
    public = [host for host in hosts if host not in allowed_private_hosts()]
    if public and not contact:
        raise ConfigError(f"GAUCHO_CONTACT: {public[0]} must know whom to write to; set it to your e-mail or web page")
    return f"gaucho_pipeline/0.1 ({contact or 'local test'})"
