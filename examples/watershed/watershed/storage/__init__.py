"""SQLite: users, runs and their results."""
