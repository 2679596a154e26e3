"""Elevation and where water flows."""
