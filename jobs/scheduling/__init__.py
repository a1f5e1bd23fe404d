"""When jobs run, and how: the schedule, who starts them, one run of one job."""
