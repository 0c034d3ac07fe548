"""A curated set to an adapter. A program: `python -m gaucho_pipeline.training REQUEST.json`."""
