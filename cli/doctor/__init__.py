"""`askpage doctor`: what this machine has and what will be used, one module a matter, one list of checks."""
