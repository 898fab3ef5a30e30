"""What holds for every test."""

import hypothesis

# The same examples on every run, however slow the machine.
hypothesis.settings.register_profile("vestibule", deadline=None, derandomize=True)
hypothesis.settings.load_profile("vestibule")
