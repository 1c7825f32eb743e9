"""The command line behind ./hub."""
