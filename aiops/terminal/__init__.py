"""The frame of the command line, a client of the API: HTTP client, options, tables, text, live view of a run."""
