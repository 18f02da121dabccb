"""The command line: one program, ``azaion``."""
