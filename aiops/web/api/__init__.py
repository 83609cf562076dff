"""The REST API, one file for each thing that is asked for."""
