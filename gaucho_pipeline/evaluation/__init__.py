"""Pictures and images to scores and a verdict: `python -m gaucho_pipeline.evaluation REQUEST.json`. The scorers are in `scorers/`."""
