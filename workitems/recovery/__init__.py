"""What must survive a total loss of Redis."""
