"""Weights to pictures, scores and pages. A program: `python -m gaucho_pipeline.gallery REQUEST.json`."""
