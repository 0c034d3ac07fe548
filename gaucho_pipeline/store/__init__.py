"""The data folder: manifests, artifacts, blobs, the remote store, what was forgotten. What artifacts are made from is in `project/`."""
