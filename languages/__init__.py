"""The languages of the service: which are offered, which one somebody is answered in, and their catalogues.

Knows nothing of people. `accounts` keeps what a person has chosen and hands it over.
"""
