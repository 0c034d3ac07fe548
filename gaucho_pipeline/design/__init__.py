"""The look that all pages share: style sheet, fonts, content security policy. What pages say is in `pages/` and `curation/review.py`."""
