"""The table of assets, and what is known of them before one is made: metrics, checks, rows, verdicts. Nothing is made here."""
