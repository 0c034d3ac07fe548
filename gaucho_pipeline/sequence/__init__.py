"""Weights and a story to frames that unfold: `python -m gaucho_pipeline.sequence REQUEST.json`. Stories are in `prompts/`."""
