"""make mutants: are the tests sharp?

Small faults in firmware/ and lib/, picked by a seed, each of which a named test must catch.
"""
