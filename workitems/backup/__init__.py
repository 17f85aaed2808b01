"""A backup of Redis and the mail store in a folder, its verification, and the way back."""
