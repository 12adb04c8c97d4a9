"""The pytest side: collection, dispatch, replay, and what happens when the session ends."""
