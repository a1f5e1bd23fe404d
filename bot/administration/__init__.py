"""What operators do while the bot runs: sources, model versions, jobs, and a look at what is wrong."""
