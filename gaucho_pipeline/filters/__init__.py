"""What an image must be to be kept: the filters with their keys, and the measures that they read. Measuring is in `curation/`."""
