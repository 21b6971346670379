"""What kind of layer is an operation?

The *layer type* is the function's own name in lower case without underscores: `conv2d`, `maxpool2d`, `getitem`.  The
ways to write one function share a type, so `add`, `add_`, `__add__` and `+=` are all `add`; so do the two sides of a
commutative operator (`2 * x` is `mul`).  The reflected forms of the others compute something else and keep their own
name: `2 - x` is `rsub`.  Inputs, outputs, buffers and tensors that nobody has seen before have the types `input`,
`output`, `buffer` and `constant`.

Source: "Layer nomenclature" in the paper.
"""

from __future__ import annotations

from functools import cache

from lens_trace import Operation

_INPLACE_OPERATORS = frozenset(
    {"iadd", "isub", "imul", "imatmul", "idiv", "itruediv", "ifloordiv", "imod", "ipow"}
    | {"iand", "ior", "ixor", "ilshift", "irshift", "iconcat"}
)
_REFLECTED_COMMUTATIVE = frozenset({"radd", "rmul", "rand", "ror", "rxor"})


def layer_type_of(operation: Operation) -> str:
    """Return the layer type, made of letters and digits only."""
    return operation.kind if operation.function is None else type_of_name(operation.function.name)


@cache
def type_of_name(name: str) -> str:
    """Return the layer type for a function's name.

    >>> type_of_name("__iadd__"), type_of_name("max_pool2d"), type_of_name("T")
    ('add', 'maxpool2d', 't')
    """
    plain = "".join(letter for letter in name if letter.isalnum()).lower()
    is_operator = name.startswith("__") and name.endswith("__")
    if is_operator and (plain in _INPLACE_OPERATORS or plain in _REFLECTED_COMMUTATIVE):
        return plain[1:]
    return plain or "operation"
