"""How often a judge is wrong, and what its verdicts prove all the same: pure functions over labels of people."""
