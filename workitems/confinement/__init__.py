"""Takes the rights of a child process that works on what strangers wrote: reading children, compose children.

`start` says how to start such a child; the child itself calls `confine.confine` before it opens the stranger's bytes.
This file imports nothing, since every child loads it.
"""
