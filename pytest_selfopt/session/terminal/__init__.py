"""What a session says on pytest's terminal."""
