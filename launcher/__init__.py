"""What `make run` is made of: installation, embedded servers, and the supervisor.

Standard library only, and nothing of the project is imported: it must work before anything is installed.
"""
