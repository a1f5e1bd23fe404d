"""`askpage learn-demo`: the learning story on questions in SQuAD's format, and on a handbook."""
