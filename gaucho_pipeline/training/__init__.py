"""A curated set to what a base model learned of it. A program: `python -m gaucho_pipeline.training REQUEST.json`."""
