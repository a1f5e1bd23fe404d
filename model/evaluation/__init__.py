"""Is a version better than another? Measures, gate, canary."""
