"""What is wrong with a table or its classifier, and what to do about it."""
