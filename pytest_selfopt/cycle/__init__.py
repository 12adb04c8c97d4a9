"""One turn of the loop against disk: from an opened store to what is written at the end. No pytest."""
