"""A concepts file and a data folder together: what each asset would be made from now, and whether it is up to date.

Nothing is made here, and Dagster is not known.
"""
