"""The parts of a concept, one for each stage: the keys that people write in `concepts.yaml`, as frozen models that check them."""
