"""What is shipped to run aiops on servers, started from Debian's packages."""
