"""Other pytest plugins beside ours: `python -m tests.neighbours`, by hand; the commonest in every build."""
