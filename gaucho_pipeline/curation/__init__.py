"""Images to the set worth training on, with a reason for every other. A program: `python -m gaucho_pipeline.curation REQUEST.json`."""
