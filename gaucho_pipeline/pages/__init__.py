"""Everything that was made, as pages that a curator and the public can read: `python -m gaucho_pipeline.pages REQUEST.json`.

What may go out is decided in `project/approvals.py` and `publishing/`.
"""
