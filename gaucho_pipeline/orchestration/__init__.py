"""All that knows Dagster: assets, checks, automation. What is out of date is decided in `pipeline.py`."""
