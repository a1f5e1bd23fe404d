"""The command line: `askpage …`, one module a group of commands."""
