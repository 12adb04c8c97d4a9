"""The plans of a session: baselines, candidates, trials, provenance and cost. No pytest."""
