"""What the project is installed from: locked with hashes, listed with licences, audited."""
