"""Packages that tests install beside aiops."""
