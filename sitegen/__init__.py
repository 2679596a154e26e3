"""Turns source and profile data into the site; never imported by the app."""
