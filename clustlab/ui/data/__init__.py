"""The page Data sets: those there are, and bringing in one's own."""
