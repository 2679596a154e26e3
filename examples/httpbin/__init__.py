"""PyPI's httpbin, an app that nobody here wrote, under Covatlas."""
