"""The commands of `gaucho`: one module each. What they do with Dagster is in `orchestration/`; `cli.py` only declares them."""
