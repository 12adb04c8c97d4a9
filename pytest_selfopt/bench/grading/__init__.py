"""Whether a reply is right: expectations of single answers and of conversations, each with its grader."""
