"""Keeping a data folder small and sound: checking, collecting, forgetting, renaming. Never Dagster."""
