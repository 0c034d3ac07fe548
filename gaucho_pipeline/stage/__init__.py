"""What every stage program shares: the request, the harness, the reporter, failures. What a stage does is in its own folder."""
