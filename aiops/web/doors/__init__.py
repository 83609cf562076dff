"""The doors beside Django: streams and long polls, which hold neither a thread nor a connection for each viewer."""
