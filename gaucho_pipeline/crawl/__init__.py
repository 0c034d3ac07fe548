"""Sources to images with licence and author: `python -m gaucho_pipeline.crawl REQUEST.json`. The sources are in `sources/`."""
