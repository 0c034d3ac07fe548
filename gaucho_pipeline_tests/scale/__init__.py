"""What needs more than this machine usually has: a PostgreSQL server, a Ray cluster. `make test-scale` runs it."""
