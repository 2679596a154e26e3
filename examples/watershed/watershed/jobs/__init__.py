"""RQ jobs and the queue they go through."""
