"""Actions: the steps by which an activity does what its automation says."""
