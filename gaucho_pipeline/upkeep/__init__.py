"""Looking after the data folder: is it as it was written (`fsck.py`), what needs nobody any more (`gc.py`), what must go (`forgetting.py`)."""
