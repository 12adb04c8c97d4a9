"""Where calls are made: the runner interface, and the local and remote runners."""
