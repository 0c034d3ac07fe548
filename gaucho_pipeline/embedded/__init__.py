"""The model that ships, the drawn world that it knows, and the programs that made it."""
