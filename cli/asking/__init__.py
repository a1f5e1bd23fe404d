"""`askpage ask`: through a bot that runs on the data folder, or without one."""
