"""Loading models: base models, and encoders beside them. How a base model is taught is in `methods/` and `training/`."""
