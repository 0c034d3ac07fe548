"""Looking after the data folder: is it as it was written (`fsck.py`), what may go (`collecting.py`), what must (`forgetting.py`)."""
