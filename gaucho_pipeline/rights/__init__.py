"""Licences, of images and of models: reading what sources write, and what may be used. Who is asked is in `sources/`."""
