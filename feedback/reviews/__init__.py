"""Reviews, verified answers and decisions about model versions, as documents."""
