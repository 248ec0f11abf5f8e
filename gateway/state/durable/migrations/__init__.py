"""What makes the tables, a step a file in `versions/`; run when a store is opened."""
