"""Addresses that may be shown to whoever reads a page anywhere: a link that is dead elsewhere, or tomorrow, is none. Nobody is asked."""

from __future__ import annotations

import ipaddress
from urllib.parse import urlsplit

_OF_A_NETWORK = ("localhost", "local", "internal", "intranet", "lan", "home", "corp", "home.arpa", "localdomain")
"""What names of one machine or of one house end with (RFC 6761, 6762, 8375, and what routers and ICANN keep for it)."""


def public_link(address: str) -> str | None:
    """An address that may become a link on a page: of the web and of a public host, never javascript: and its like."""
    return address if address.startswith(("https://", "http://")) and _is_public(address) else None


def without_private(text: str) -> str:
    """What stands for where an image is from: as it is, but nothing where that is an address that leads nowhere elsewhere."""
    return text if public_link(text) or not text.startswith(("https://", "http://")) else ""


def _is_public(address: str) -> bool:
    try:
        host = (urlsplit(address).hostname or "").rstrip(".")
    except ValueError:  # brackets that hold no address
        return False
    try:
        ip = ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        last = host.rpartition(".")[2]
        is_number = last.isdigit() or last.startswith("0x")  # 127.1 and its like, which browsers read as addresses
        return "." in host and not is_number and not any(host.endswith(f".{end}") for end in _OF_A_NETWORK)
    return ip.is_global and not ip.is_multicast
