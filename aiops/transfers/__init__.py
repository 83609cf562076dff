"""Transfers: CSV files of configuration rows, in and out, by workers."""
