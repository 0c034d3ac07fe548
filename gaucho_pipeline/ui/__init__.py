"""The web UI behind its guard. What it shows is Dagster's and `pages/`."""
