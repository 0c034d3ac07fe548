"""What leaves this machine: the published site, packs for training elsewhere, exported models."""
