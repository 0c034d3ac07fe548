"""Where a crawl may go."""

from __future__ import annotations

import pytest

from gaucho_pipeline.crawl.safety import ForbiddenAddress, check_url, is_listed, is_public


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1",
        "10.0.0.1",
        "169.254.169.254",
        "192.168.1.1",
        "::1",
        "::ffff:127.0.0.1",
        "fe80::1",
        "0.0.0.0",
        "100.64.0.1",
        "224.0.0.1",
        "ff0e::1",
        "::ffff:224.0.0.1",
    ],
)
def test_private_addresses_are_not_public(address: str) -> None:
    assert not is_public(address)


@pytest.mark.parametrize(
    "url",
    [
        "http://example.org/a.jpg", "https://10.0.0.1/a.jpg", "https://[::1]/a", "file:///etc/passwd", "https://localhost/a",
        "https://example.org.evil.example/a", "https://user@evil.example/a",
    ],
)  # fmt: skip
def test_only_https_to_listed_public_hosts_is_let_through(url: str) -> None:
    with pytest.raises(ForbiddenAddress):
        check_url(url, ("example.org", "localhost"))


def test_a_listed_host_may_stand_for_all_below_it() -> None:
    assert is_listed("live.staticflickr.com", (".staticflickr.com",))
    assert not is_listed("staticflickr.com.evil.example", (".staticflickr.com",))
    assert not is_listed("evilstaticflickr.com", (".staticflickr.com",))
    assert not is_listed("evilexample.org", ("example.org",))
    assert is_listed("EXAMPLE.org", ("example.org",))


def test_a_public_address_is_public() -> None:
    assert is_public("93.184.215.14")
    assert is_public("2606:2800:21f:cb07:6820:80da:af6b:8b2c")
    check_url("https://example.org/a.jpg", ("example.org",))


@pytest.mark.parametrize(
    "address",
    [
        "64:ff9b::a9fe:a9fe", "64:ff9b::127.0.0.1", "64:ff9b:1::7f00:1", "2002:7f00:1::", "2002:a9fe:a9fe::1", "::127.0.0.1", "::8.8.8.8",
        "::ffff:0:10.0.0.1", "fec0::1", "192.0.0.8", "192.0.0.170", "192.88.99.1",
        "2001:0:4136:e378:8000:63bf:3fff:fdd2", "100::1", "fe80::1%eth0",
        "::ffff:10.0.0.1", "::", "::1",
    ],
)  # fmt: skip
def test_an_address_that_stands_for_one_of_another_network_is_not_public(address: str) -> None:
    assert not is_public(address)


@pytest.mark.parametrize("address", ["8.8.8.8", "2001:4860:4860::8888", "::ffff:8.8.8.8", "2606:4700::1111"])
def test_those_of_sites_are(address: str) -> None:
    assert is_public(address)
