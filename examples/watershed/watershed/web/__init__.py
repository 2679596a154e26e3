"""What answers HTTP: pages, a JSON API, downloads."""
