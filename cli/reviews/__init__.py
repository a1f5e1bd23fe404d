"""What reviewers do from the command line, as reviewers do it in chat."""
