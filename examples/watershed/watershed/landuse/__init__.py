"""Land cover and what is done to it."""
