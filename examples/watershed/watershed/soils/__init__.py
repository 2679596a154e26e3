"""Soil textures and layered soils."""
