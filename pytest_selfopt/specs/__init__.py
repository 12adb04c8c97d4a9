"""How a case is asked: specs and their ids, variants, and the neighbours one change away."""
