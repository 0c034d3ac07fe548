"""`gaucho ui`: Dagster's web UI with its daemon, on this machine alone, behind a guard of our own."""
