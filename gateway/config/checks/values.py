from gateway.config.values import *  # noqa
from gateway.config.values import KEYS, Mistake, in_order, name_mistakes, seconds, under, walk  # noqa
