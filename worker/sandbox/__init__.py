"""Reads mail in child processes, which have limited time and memory and no other rights.

The worker calls `pool.Sandbox`. `process` controls one child, `frames` defines the format of the pipe. The child runs
`child` (the program), `mail_reader` (the reading itself), and `workitems.confinement` (which removes its rights). This
file imports nothing, since the child loads it too.
"""
