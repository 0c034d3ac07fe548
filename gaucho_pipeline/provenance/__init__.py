"""What pictures say of themselves, how it is signed, and how it is checked. What an artifact was made from is in `store/manifest.py`."""
