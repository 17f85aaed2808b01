"""What Redis knows about mailboxes: checkpoints, leases, pending actions, progress of imports."""
