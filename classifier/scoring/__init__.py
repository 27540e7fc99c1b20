"""How well a classifier does, and how sure that is."""
