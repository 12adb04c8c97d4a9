"""One cycle against disk: from the opened store to the files written at the end. No pytest."""
