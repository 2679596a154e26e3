"""Files of npm packages that are kept here as they were published, and what brings them: `python -m tests.vendor`."""
