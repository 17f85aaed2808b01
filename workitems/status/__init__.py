"""The state of the processes and of the intake, as every process can see it."""
