"""Work that an administrator asked for: trying field rules on stored mail, and reading stored mail again."""
