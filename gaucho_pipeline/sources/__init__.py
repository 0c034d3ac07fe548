"""Where images come from: one module per source, its keys in `concepts.yaml`, its rate limit, and how it states a licence.

Connections, retries and files are the engine's, in `crawl/`.
"""
