"""The mechanisms on the way of a call, one module each: options, machine, adapter, errors.

None imports another; `chain.py` says in which order they stand.
"""
