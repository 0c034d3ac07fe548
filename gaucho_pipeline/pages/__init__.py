"""Everything that was made, as pages that a curator and the public can read. A program: `python -m gaucho_pipeline.pages REQUEST.json`."""
