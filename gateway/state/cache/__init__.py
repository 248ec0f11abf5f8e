"""Where answers are kept, on aiocache's interface."""
