"""Settings of property tests: no deadline an example, for machines are slow now and then; a failure prints its seed."""

from hypothesis import settings

settings.register_profile("hub", deadline=None, print_blob=True)
settings.load_profile("hub")
