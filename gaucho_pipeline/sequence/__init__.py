"""Weights and a story to frames that unfold. A program: `python -m gaucho_pipeline.sequence REQUEST.json`."""
