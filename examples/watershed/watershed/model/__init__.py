"""The model: runoff, erosion, and ways to run them."""
