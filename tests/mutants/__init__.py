"""Proof that the tests would notice: each mechanism is broken by one small patch, and a named test must turn red.

`make mutants` runs it. patches.py is the list; test_patches.py holds it to the code.
"""
