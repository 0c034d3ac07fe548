"""All that knows Dagster: assets, partitions, schedules, sensors, checks, the runner. What is up to date is decided in `project/`."""
