"""What tests of the running system share: a home, the program as users start it, and checkers that import no service."""
