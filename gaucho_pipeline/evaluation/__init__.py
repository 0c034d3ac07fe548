"""Pictures and images to figures and a verdict. A program: `python -m gaucho_pipeline.evaluation REQUEST.json`."""
