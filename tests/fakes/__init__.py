"""The only fakes there are: time and randomness."""
