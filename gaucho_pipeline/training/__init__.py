"""A curated set to what a base model learned of it: `python -m gaucho_pipeline.training REQUEST.json`. What learns is in `methods/`."""
