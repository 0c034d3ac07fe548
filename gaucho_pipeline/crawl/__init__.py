"""Sources to images with licence and author. A program: `python -m gaucho_pipeline.crawl REQUEST.json`."""
