"""Which operations are passes of one layer?

Terms.  Two operations are *alike* when they could be one step of a loop; here that is an equal `signature`, a plain
number (what goes into it is decided in `_signatures`).  A *layer* is a class of alike operations; its members, in
execution order, are its *passes*.  Inputs, outputs, buffers and constants are alike to nothing: each is a layer alone.

Idea.  Layers are the classes of the smallest equivalence that obeys three rules.

1.  Alike operations with parameters are one layer, wherever they stand.
2.  Growth.  Where two operations of a layer of rules 1 and 2 both have a k-th child (in execution order) of one kind,
    at one argument position, these children are one layer; likewise parents.
3.  Repetition.  Parameter-free operations left alone by 1 and 2 that run as a block again and again, each copy
    connected and handing something to the next, are one layer each.

Figure 3A of the paper, written with the layers found (`linear` has parameters):

    input   cos:1   linear:1   add:1   sin   cos:2   linear:2   add:2   output
              ^------- ^          ^------------^---------^----------^
              rule 2   rule 1                  rule 2    rule 1     rule 2     `sin` stands between the two, alone

Figure 3B, all without parameters, `c r m` for cosine, ReLU and multiplication:

    input   c:1 r:1 m:1 | c:2 r:2 m:2   tan   c r m   output       `tan` parts the third block from the first two

It ends because every step unites two classes.  Rules 1 and 2 are one unification over neighbour tables
(`_loops_growth`, O(edges log edges)).  Rule 3 finds the runs of the word of signatures (`_loops_runs`), cuts them to
where the edges repeat too (`_loops_steady`) and takes the largest joined ones (`_loops_repetition`): O(n log^2 n).
Nothing depends on the order of dictionaries nor on which numbers stand for signatures, arguments or places.

Source: Figure 3, "Handling of recurrent operations" and the fifth step of "Post-processing".  The paper grows blocks
from sources forward and compares repeats pairwise, which is quadratic in the number of repeats.
"""

from __future__ import annotations

from collections.abc import Sequence

from lens_graph._loops_growth import grow_layers
from lens_graph._loops_node import LoopNode
from lens_graph._loops_partition import Partition
from lens_graph._loops_repetition import find_repetitions

__all__ = ["LoopNode", "find_layers"]


def find_layers(nodes: Sequence[LoopNode]) -> tuple[int, ...]:
    """Find the layer of each node.

    Args:
        nodes: Operations in execution order; every parent has a smaller index than its child.

    Returns:
        The layer's number for each node; layers are numbered by their first member.
    """
    layers = Partition(len(nodes))
    grow_layers(nodes, layers)
    layers.unite(find_repetitions(nodes, layers.are_alone()))
    return layers.number()
