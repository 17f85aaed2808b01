"""Takes waiting mail, has it read in a child process, checks the answer and publishes it."""
