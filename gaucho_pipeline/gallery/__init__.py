"""Weights to pictures: `python -m gaucho_pipeline.gallery REQUEST.json`. How they are scored is in `evaluation/`."""
