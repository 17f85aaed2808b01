"""Removing items: when, how, and how it is made certain."""
