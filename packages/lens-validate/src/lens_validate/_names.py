"""Which function is this, whatever spelling it was called by?

`add`, `add_`, `__add__`, `__iadd__`, `__radd__` and `torch.ops.aten.add.Tensor` are one function to every table of this
package; so are `relu` and `relu_`.  Swapped operands (`__rsub__`, `rsub`) keep a name of their own, because their
arguments mean other things.
"""

from __future__ import annotations

_DUNDERS = {
    "radd": "add",
    "rmul": "mul",
    "rand": "bitwise_and",
    "ror": "bitwise_or",
    "rxor": "bitwise_xor",
    "and": "bitwise_and",
    "or": "bitwise_or",
    "xor": "bitwise_xor",
    "lshift": "bitwise_left_shift",
    "rshift": "bitwise_right_shift",
    "truediv": "div",
    "rtruediv": "rdiv",
    "floordiv": "floor_divide",
    "mod": "remainder",
}
_IN_PLACE_DUNDERS = frozenset({f"i{name}" for name in _DUNDERS} | {"iadd", "isub", "imul", "ipow", "imatmul", "idiv"})
_SYNONYMS = {
    "multiply": "mul",
    "divide": "div",
    "true_divide": "div",
    "subtract": "sub",
    "greater": "gt",
    "greater_equal": "ge",
    "less": "lt",
    "less_equal": "le",
    "not_equal": "ne",
    "absolute": "abs",
    "negative": "neg",
    "clip": "clamp",
    "concat": "cat",
    "concatenate": "cat",
    "special_softmax": "softmax",
    "_softmax": "softmax",
    "special_log_softmax": "log_softmax",
    "_log_softmax": "log_softmax",
}


def canonical_name(name: str) -> str:
    """Returns the one name of a function: `add` for `__iadd__`, `getitem` for `__getitem__`, `relu` for `relu_`."""
    if name.startswith("__") and name.endswith("__") and len(name) > 4:
        plain = name[2:-2]
        plain = plain[1:] if plain in _IN_PLACE_DUNDERS else plain
        return _DUNDERS.get(plain, plain)
    plain = name[:-1] if name.endswith("_") and len(name) > 1 else name
    return _SYNONYMS.get(plain, plain)
