"""The playback client: sends a profile's recorded requests to a running app."""
