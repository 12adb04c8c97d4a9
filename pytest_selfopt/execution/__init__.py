"""The execution of calls: passes, dispatch, models and workers. No pytest."""
