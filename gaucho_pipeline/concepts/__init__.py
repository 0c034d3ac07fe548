"""What people write in `concepts.yaml`: one module for each part of a concept, and the file itself. What is done with it is elsewhere."""
