"""WHERE calls are carried out: the runner interface and the local runner."""
