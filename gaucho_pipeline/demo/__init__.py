"""The demo: its concepts file, its site on loopback, and the subjects that it draws. The model that it uses is in `embedded/`."""
