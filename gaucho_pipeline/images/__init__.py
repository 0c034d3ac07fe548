"""Image files: reading what people and cameras write, and pictures kept by what made them. What is good or lawful is not judged here."""
