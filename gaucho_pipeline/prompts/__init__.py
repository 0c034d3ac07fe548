"""What is asked of a text-to-image model: templates, plans, the Portuguese glossary, stories. Nothing is drawn here."""
