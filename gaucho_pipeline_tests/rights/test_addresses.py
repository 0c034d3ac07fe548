"""Which addresses become links: none that is dead elsewhere, or tomorrow."""

from __future__ import annotations

import pytest

from gaucho_pipeline.rights.addresses import public_link, without_private
from gaucho_pipeline.rights.credits import credits_section

DEAD = [
    "http://127.0.0.1:8417/photo/araucaria/00.png", "http://localhost/x", "https://LOCALHOST:3000/x", "http://demo.localhost/x",
    "http://[::1]:80/x", "http://10.0.0.7/x", "http://192.168.1.5/x", "http://172.16.0.1/x", "http://169.254.1.1/x", "http://0.0.0.0/x",
    "http://127.1/x", "http://2130706433/x", "http://0x7f.0x1/x", "http://[::ffff:127.0.0.1]/x", "http://[fe80::1%25eth0]/x",
    "http://acervo/x", "http://nas.local/x", "http://acervo.intranet./x", "http://router.home.arpa/x", "http://[/x", "http:///x", "http://",
]  # fmt: skip
ALIVE = [
    "https://museu.example/acervo/1",
    "http://www.ufrgs.br/x",
    "https://8.8.8.8/x",
    "https://[2606:4700::1111]/x",
    "https://a.b.museu.br:8443/",
]


@pytest.mark.parametrize("address", DEAD)
def test_what_leads_nowhere_elsewhere_is_no_link_and_not_told(address: str) -> None:
    assert (public_link(address), without_private(address)) == (None, "")


@pytest.mark.parametrize("address", ALIVE)
def test_what_is_public_is_a_link(address: str) -> None:
    assert (public_link(address), without_private(address)) == (address, address)


@pytest.mark.parametrize("text", ["", "estante 4", "acervo 127.0.0.1", "javascript:alert(1)", "ftp://museu.example/x"])
def test_a_shelf_mark_is_told_and_no_link(text: str) -> None:
    assert (public_link(text), without_private(text)) == (None, text)


def test_a_model_card_names_no_such_address() -> None:
    row = {"title": "Cuia", "author": "Ana", "license": "CC-BY-4.0"}
    assert "127" not in credits_section([row | {"source": DEAD[0]}])
    assert "museu.example" in credits_section([row | {"source": ALIVE[0]}])
