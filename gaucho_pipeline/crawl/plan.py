"""What a crawl would do, without fetching an image: `python -m gaucho_pipeline.crawl.plan REQUEST.json [--refresh-lock] [--rights]`.

Asks the sources what they list, and writes plan.json beside the request. Ids of names that were not known are kept, as by a crawl.
"""

from __future__ import annotations

import sys
from collections import Counter
from pathlib import Path

from gaucho_pipeline.assets.rows import CrawlPlan, RightsPhrase, SourcePlan
from gaucho_pipeline.crawl.__main__ import open_crawl, open_journal
from gaucho_pipeline.crawl.engine import Crawl, list_sources, on_the_web
from gaucho_pipeline.crawl.fetching import Web
from gaucho_pipeline.crawl.listing import Listing
from gaucho_pipeline.files.writing import write_atomically
from gaucho_pipeline.processes.launch import ERROR_FILE
from gaucho_pipeline.stage.failures import reports_failures
from gaucho_pipeline.stage.reporter import Reporter
from gaucho_pipeline.stage.request import read_request
from gaucho_pipeline.store.store import Store

PLAN_FILE = "plan.json"
REFRESH_LOCK, RIGHTS = "--refresh-lock", "--rights"


def plan(crawl: Crawl, fetched: dict[str, str]) -> CrawlPlan:
    """The plan of a crawl whose sources were listed: for each source its records, their licences, and what would be fetched."""
    wanted = crawl.order[: crawl.spec.max_images]
    cached = {record.key for record in wanted if record.bytes_id in fetched or record.is_file}
    sources = []
    for listing in crawl.listings:
        own = [record for record in wanted if record.origin == listing.origin]
        refused = Counter(reason for record, reason in crawl.refused.values() if record.origin == listing.origin)
        sources.append(
            SourcePlan(
                source=listing.origin,
                listed=len(listing.records) + len(listing.unusable),
                there_are=listing.total,
                licenses=dict(Counter(record.license.id for record in listing.records.values()).most_common()),
                refused=dict(refused.most_common()),
                would_be_fetched=sum(record.key not in cached for record in own),
                cached=sum(record.key in cached for record in own),
                failure=listing.failure,
                note=listing.note,
                rights=_rights(listing),
            )
        )
    return CrawlPlan(sources=tuple(sources), max_images=crawl.spec.max_images, max_bytes=crawl.spec.max_bytes)


def _rights(listing: Listing) -> tuple[RightsPhrase, ...]:
    """What the records say of rights in words of their own, the commonest first; nothing of a source that names licences."""
    records = listing.records.values()
    if not any(record.stated for record in records):
        return ()
    counts = Counter((record.stated, record.license) for record in records)
    return tuple(
        RightsPhrase(stated=stated, count=count, read_as=verdict.reason or verdict.id, is_allowed=verdict.family is not None)
        for (stated, verdict), count in counts.most_common()
    )


def main() -> None:
    path, refresh_lock = Path(sys.argv[1]), REFRESH_LOCK in sys.argv[2:]
    with reports_failures(path.parent / ERROR_FILE):
        request, reporter = read_request(path), Reporter(None)
        standing = Store(request.data).current("raw_crawl", request.concept)
        crawl = open_crawl(request, standing, reporter)
        if RIGHTS in sys.argv[2:]:
            crawl.spec = crawl.spec.model_copy(update={"max_images": sys.maxsize})  # the whole list, and not what is enough

        async def work(web: Web | None) -> None:
            await list_sources(crawl, web, refresh_lock)

        on_the_web(crawl.access, work)
        write_atomically(path.parent / PLAN_FILE, plan(crawl, open_journal(request).fetched).model_dump_json(indent=1))


if __name__ == "__main__":
    main()
