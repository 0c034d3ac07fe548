"""Looking after the data folder: is it as it was written (`fsck.py`), what is needed no more (`gc.py`), what must go (`forgetting.py`)."""
