"""The connections of HTTP clients: accepting, their limits and deadlines, and their end when the process stops."""
