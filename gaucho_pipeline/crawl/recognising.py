"""What a page is as a source: `python -m gaucho_pipeline.crawl.recognising ADDRESS`, for `gaucho init --from`.

Writes the source's keys as JSON. Sites are asked only where the address alone does not tell, as decently as by a crawl.
"""

from __future__ import annotations

import json
import sys
import tempfile
from pathlib import Path

from gaucho_pipeline.crawl.engine import WebAccess, on_the_web
from gaucho_pipeline.crawl.fetching import Web
from gaucho_pipeline.errors import ConfigError, GauchoError, _
from gaucho_pipeline.sources.base import ImageSource, PageQuestion, Proposal, host_of, is_web_address
from gaucho_pipeline.sources.registry import recognise

_SECONDS, _MAX_BYTES = 30.0, 1_000_000
_MAX_QUESTIONS = 12


class _Site(ImageSource):
    """Whoever is asked what a page is."""

    def __init__(self, hosts: frozenset[str]) -> None:
        self.origin = ", ".join(sorted(hosts))
        self.api_hosts = tuple(sorted(hosts))


def proposal_for(address: str) -> Proposal:
    """The source that a page is of. Raises ConfigError for an address that is none, or of no kind of source."""
    if not is_web_address(address):
        raise ConfigError(_("{address}: is no web address", address=address[:200]))
    found = recognise(address)
    sure = next((each for each in found if isinstance(each, Proposal)), None)
    questions = [each for each in found if isinstance(each, PageQuestion)]
    return sure or _ask_site(address, [each for each in questions if each.is_named] or questions)


def _ask_site(address: str, questions: list[PageQuestion]) -> Proposal:
    """The first source that an answer names. Raises ConfigError where none does."""
    hosts = frozenset(host_of(each.url) for each in questions)
    answers, failures = list[Proposal](), list[str]()

    async def work(web: Web | None) -> None:
        assert web is not None  # the site of a web address is on the web
        waiting, count = questions[:], 0
        while waiting and count < _MAX_QUESTIONS and not answers:
            question, count = waiting.pop(0), count + 1
            try:
                answer = await web.ask(question.url, question.read)
            except (GauchoError, ValueError, TypeError, LookupError, AttributeError, RecursionError) as error:
                failures.append(str(error))
                answer = question.otherwise
            if isinstance(answer, Proposal):
                answers.append(answer)
            elif answer is not None:
                waiting.insert(0, answer)

    with tempfile.TemporaryDirectory() as folder:
        on_the_web(WebAccess([_Site(hosts)], tuple(sorted(hosts)), Path(folder), _SECONDS, _MAX_BYTES, failures.append), work)
    if answers:
        return answers[0]
    why = f" ({failures[0]})" if failures else ""
    known = _(
        "a category or a search of Commons, a taxon of iNaturalist or GBIF, a search of Openverse, a query of Wikidata, a collection in "
        "Tainacan, a IIIF manifest"
    )
    raise ConfigError(
        _("{address}: is no page of a kind that is known{why}; known are: {known}", address=address[:200], why=why, known=known)
    )


def main() -> None:
    try:
        found = proposal_for(sys.argv[1])
    except GauchoError as error:
        print(error, file=sys.stderr)
        sys.exit(error.exit_code)
    print(json.dumps({"kind": found.kind, "keys": found.keys, "media_hosts": found.media_hosts}))


if __name__ == "__main__":
    main()
