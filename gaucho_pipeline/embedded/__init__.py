"""The small base model that ships with the package: its files in `model/`, and the programs that made them."""
