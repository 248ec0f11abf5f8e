"""Limits of methods: from policies to what is counted, and what they may not say.

`mistakes` is asked of each level, `merged` and `declared` of what all levels come to.
"""
