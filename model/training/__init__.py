"""Training examples → an adapter → a version."""
