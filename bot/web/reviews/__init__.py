"""The page of reviewers: what waits for a review, and the verified answers, in a browser."""
