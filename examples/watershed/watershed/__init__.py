"""Watershed: runoff and erosion of small catchments, the sample app of Covatlas.

Its hydrology is a simplification (curve numbers, a universal soil loss equation) and nobody should build a dam on it.
"""
