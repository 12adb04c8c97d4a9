"""The evidence that a candidate is better: pairs of outcomes, odds against luck, and what follows from them."""
