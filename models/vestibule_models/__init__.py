"""The networks of Vestibule: training, evaluation, export, and the shipped zoo."""
