"""Images to the set worth training on, with a reason for every other: `python -m gaucho_pipeline.curation REQUEST.json`.

The filters, with their keys, are in `filters/`.
"""
