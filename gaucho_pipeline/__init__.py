"""From images of a region's culture and nature to a model that draws them, kept up to date."""
