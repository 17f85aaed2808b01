"""Reads mail in child processes that have time, memory and nothing else.

`pool.Sandbox` is what the worker calls; `process` holds one child, `lanes` keeps slow mails from blocking others,
`frames` is the pipe's layout. In the child run `child` (the program), `mail` (the reading itself), and `confine`,
`landlock` and `seccomp` (what it gives up). This file imports nothing, since the child reads it too.
"""
