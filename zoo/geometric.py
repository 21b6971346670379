"""torch-geometric's main layers, a few of its models, and its pooling, on a small random graph."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Any

from zoo._catalogue import Case, Entry

PRELOAD = ("torch_geometric", "torch_geometric.nn")

_NODES, _EDGES, _WIDTH, _OUT = 16, 40, 8, 6

_PLAIN: dict[str, dict[str, Any]] = {
    "GCNConv": {},
    "SAGEConv": {},
    "SAGEConv.lstm": {"aggr": "lstm"},
    "SAGEConv.max": {"aggr": "max", "project": True},
    "GraphConv": {},
    "ResGatedGraphConv": {},
    "GATConv": {"heads": 2},
    "GATv2Conv": {"heads": 2},
    "TransformerConv": {"heads": 2, "beta": True},
    "TAGConv": {"K": 2},
    "ChebConv": {"K": 3},
    "ARMAConv": {"num_stacks": 2, "num_layers": 2},
    "SGConv": {"K": 2},
    "SSGConv": {"alpha": 0.1, "K": 2},
    "LEConv": {},
    "ClusterGCNConv": {},
    "FeaStConv": {"heads": 2},
    "SuperGATConv": {"heads": 2},
    "FiLMConv": {},
    "EGConv": {"num_heads": 2},
    "EGConv.multi": {"num_heads": 2, "aggregators": ["sum", "mean", "std", "max"]},
    "GENConv": {"aggr": "softmax", "learn_t": True},
    "MFConv": {},
    "GeneralConv": {},
}
"""Layers built from a width in and a width out, called with nodes and edges."""
_SAME_WIDTH: dict[str, tuple[tuple[Any, ...], dict[str, Any]]] = {
    "GatedGraphConv": ((_WIDTH, 3), {}),
    "APPNP": ((3, 0.1), {}),
    "LGConv": ((), {}),
    "AGNNConv": ((), {}),
    "FAConv": ((_WIDTH,), {}),
    "DNAConv": ((_WIDTH,), {"heads": 2}),
    "GCN2Conv": ((_WIDTH, 0.1), {}),
    "SimpleConv": ((), {}),
    "AntiSymmetricConv": ((_WIDTH,), {"num_iters": 2}),
}
"""Layers that keep the width."""
_MODELS = "GCN GraphSAGE GIN GAT PNA EdgeCNN"
_AGGREGATIONS: dict[str, tuple[tuple[Any, ...], dict[str, Any]]] = {
    "SumAggregation": ((), {}),
    "MeanAggregation": ((), {}),
    "MaxAggregation": ((), {}),
    "MulAggregation": ((), {}),
    "VarAggregation": ((), {}),
    "StdAggregation": ((), {}),
    "SoftmaxAggregation": ((), {"learn": True}),
    "PowerMeanAggregation": ((), {"learn": True}),
    "MedianAggregation": ((), {}),
    "LSTMAggregation": ((_WIDTH, _OUT), {}),
    "GRUAggregation": ((_WIDTH, _OUT), {}),
    "Set2Set": ((_WIDTH, 3), {}),
    "SortAggregation": ((4,), {}),
    "EquilibriumAggregation": ((_WIDTH, _OUT, [8]), {"grad_iter": 2}),
}
_POOLINGS: dict[str, dict[str, Any]] = {
    "TopKPooling": {"ratio": 0.5},
    "SAGPooling": {"ratio": 0.5},
    "ASAPooling": {"ratio": 0.5},
    "EdgePooling": {},
}
_NORMS = (
    "BatchNorm InstanceNorm LayerNorm GraphNorm GraphSizeNorm PairNorm MeanSubtractionNorm DiffGroupNorm MessageNorm"
)


def entries() -> Iterator[Entry]:
    """Layers, models, aggregations, poolings and norms."""
    for name, options in _PLAIN.items():
        yield _entry(name, partial(_layer, name.partition(".")[0], (_WIDTH, _OUT), options))
    for name, (args, options) in _SAME_WIDTH.items():
        yield _entry(name, partial(_layer, name, args, options))
    for build in (
        _gin,
        _gine,
        _edge,
        _dynamic_edge,
        _point_net,
        _point_transformer,
        _x,
        _gravnet,
        _nn,
        _cg,
        _gmm,
        _spline_free_pdn,
        _pna,
        _rgcn,
        _rgat,
        _hypergraph,
        _hgt,
        _heterogeneous,
        _pan,
        _signed,
        _gps,
        _schnet,
        _dimenet,
        _dense_gcn,
        _dense_diff_pool,
        _meta_layer,
        _gae,
        _classifier,
    ):
        yield _entry(build.__name__.removeprefix("_"), build)
    for name in _MODELS.split():
        yield _entry(f"models.{name}", partial(_model, name))
        yield _entry(f"models.{name}.train", partial(_model, name, dropout=0.5), mode="train")
    for name, (args, options) in _AGGREGATIONS.items():
        yield _entry(name, partial(_aggregation, name, args, options), family="torch-geometric aggregation")
    for name, options in _POOLINGS.items():
        yield _entry(name, partial(_pooling, name, options), family="torch-geometric pooling")
    for name in _NORMS.split():
        yield _entry(name, partial(_norm, name), family="torch-geometric norms")


def _entry(name: str, build: Any, family: str = "torch-geometric layers", **more: Any) -> Entry:
    return Entry(f"geometric/{name}", family, "torch_geometric", build, **more)


def _nodes(width: int = _WIDTH) -> Any:
    import torch

    return torch.rand(_NODES, width)


def _edges() -> Any:
    """A ring, so that every node has a neighbour, and random edges, sorted by where they lead."""
    import torch

    ring = torch.stack([torch.arange(_NODES), torch.arange(1, _NODES + 1) % _NODES])
    edges = torch.cat([ring, ring.flip(0), torch.randint(0, _NODES, (2, _EDGES - 2 * _NODES))], dim=1)
    return edges[:, edges[1].argsort(stable=True)]


def _weights(width: int | None = None) -> Any:
    import torch

    return torch.rand(_EDGES) if width is None else torch.rand(_EDGES, width)


def _batch() -> Any:
    import torch

    return torch.arange(_NODES) // (_NODES // 2)


def _nn_module() -> Any:
    import torch_geometric.nn

    return torch_geometric.nn


def _mlp(seen: int = _WIDTH, made: int = _OUT) -> Any:
    import torch

    return torch.nn.Sequential(torch.nn.Linear(seen, 8), torch.nn.ReLU(), torch.nn.Linear(8, made))


def _layer(name: str, args: tuple[Any, ...], options: dict[str, Any]) -> Case:
    import torch

    layer = getattr(_nn_module(), name)(*args, **options)
    if name == "DNAConv":
        return layer, (torch.rand(_NODES, 3, _WIDTH), _edges()), {}
    if name in ("FAConv", "GCN2Conv"):
        return layer, (_nodes(), _nodes(), _edges()), {}
    return layer, (_nodes(), _edges()), {}


def _gin() -> Case:
    return _nn_module().GINConv(_mlp(), train_eps=True), (_nodes(), _edges()), {}


def _gine() -> Case:
    return _nn_module().GINEConv(_mlp(), edge_dim=3), (_nodes(), _edges(), _weights(3)), {}


def _edge() -> Case:
    return _nn_module().EdgeConv(_mlp(2 * _WIDTH)), (_nodes(), _edges()), {}


def _dynamic_edge() -> Case:
    """EdgeConv on the nearest neighbours, found with plain torch: torch-cluster is not installed."""
    import torch
    import torch_geometric.nn

    class Dynamic(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv = torch_geometric.nn.EdgeConv(_mlp(2 * _WIDTH))

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            nearest = torch.cdist(x, x).topk(4, largest=False).indices
            source = torch.arange(len(x)).repeat_interleave(4)
            return self.conv(x, torch.stack([nearest.flatten(), source]))

    return Dynamic(), (_nodes(),), {}


def _point_net() -> Case:
    layer = _nn_module().PointNetConv(_mlp(_WIDTH + 3), _mlp(_OUT, _OUT))
    return layer, (_nodes(), _nodes(3), _edges()), {}


def _point_transformer() -> Case:
    return _nn_module().PointTransformerConv(_WIDTH, _OUT), (_nodes(), _nodes(3), _edges()), {}


def _x() -> Case:
    """A chain of two layers with a jump between them."""
    import torch
    import torch_geometric.nn

    class Jump(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.first = torch_geometric.nn.GCNConv(_WIDTH, _WIDTH)
            self.second = torch_geometric.nn.GCNConv(_WIDTH, _WIDTH)
            self.jump = torch_geometric.nn.JumpingKnowledge("lstm", _WIDTH, 2)

        def forward(self, x: torch.Tensor, edges: torch.Tensor) -> torch.Tensor:
            first = self.first(x, edges).relu()
            return self.jump([first, self.second(first, edges)])

    return Jump(), (_nodes(), _edges()), {}


def _gravnet() -> Case:
    layer = _nn_module().PointGNNConv(_mlp(_WIDTH, 3), _mlp(_WIDTH + 3, 5), _mlp(5, _WIDTH))
    return layer, (_nodes(), _nodes(3), _edges()), {}


def _nn() -> Case:
    layer = _nn_module().NNConv(_WIDTH, _OUT, _mlp(3, _WIDTH * _OUT))
    return layer, (_nodes(), _edges(), _weights(3)), {}


def _cg() -> Case:
    return _nn_module().CGConv(_WIDTH, dim=3), (_nodes(), _edges(), _weights(3)), {}


def _gmm() -> Case:
    return _nn_module().GMMConv(_WIDTH, _OUT, dim=3, kernel_size=4), (_nodes(), _edges(), _weights(3)), {}


def _spline_free_pdn() -> Case:
    return _nn_module().PDNConv(_WIDTH, _OUT, edge_dim=3, hidden_channels=4), (_nodes(), _edges(), _weights(3)), {}


def _pna() -> Case:
    import torch

    layer = _nn_module().PNAConv(
        _WIDTH,
        _OUT,
        aggregators=["mean", "min", "max", "std"],
        scalers=["identity", "amplification", "attenuation"],
        deg=torch.tensor([0, 2, 8, 6]),
    )
    return layer, (_nodes(), _edges()), {}


def _rgcn() -> Case:
    import torch

    layer = _nn_module().RGCNConv(_WIDTH, _OUT, num_relations=3, num_bases=2)
    return layer, (_nodes(), _edges(), torch.randint(0, 3, (_EDGES,))), {}


def _rgat() -> Case:
    import torch

    layer = _nn_module().RGATConv(_WIDTH, _OUT, num_relations=3)
    return layer, (_nodes(), _edges(), torch.randint(0, 3, (_EDGES,))), {}


def _hypergraph() -> Case:
    return _nn_module().HypergraphConv(_WIDTH, _OUT), (_nodes(), _edges()), {}


_META = (["paper", "author"], [("author", "writes", "paper"), ("paper", "written", "author")])


def _several() -> tuple[dict[str, Any], dict[tuple[str, str, str], Any]]:
    nodes = {"paper": _nodes(), "author": _nodes()}
    return nodes, {kind: _edges() for kind in _META[1]}


def _hgt() -> Case:
    return _nn_module().HGTConv(_WIDTH, 8, _META, heads=2), _several(), {}


def _heterogeneous() -> Case:
    import torch_geometric.nn as nn

    layer = nn.HeteroConv({kind: nn.SAGEConv((_WIDTH, _WIDTH), _OUT) for kind in _META[1]}, aggr="sum")
    return layer, _several(), {}


def _pan() -> Case:
    return _nn_module().WLConvContinuous(), (_nodes(), _edges(), _weights()), {}


def _signed() -> Case:
    return _nn_module().SignedConv(_WIDTH, _OUT, first_aggr=True), (_nodes(), _edges(), _edges()), {}


def _gps() -> Case:
    import torch_geometric.nn as nn

    layer = nn.GPSConv(_WIDTH, nn.GINConv(_mlp(made=_WIDTH)), heads=2, attn_type="multihead")
    return layer, (_nodes(), _edges(), _batch()), {}


def _molecule() -> tuple[Any, Any]:
    import torch

    return torch.randint(1, 9, (6,)), torch.rand(6, 3) * 3


def _schnet() -> Case:
    """SchNet with its own search for neighbours replaced by all pairs: torch-cluster is not installed."""
    import torch
    import torch_geometric.nn

    def all_pairs(positions: torch.Tensor, batch: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        edges = torch.ones(len(positions), len(positions)).fill_diagonal_(0).nonzero().t()
        return edges, (positions[edges[0]] - positions[edges[1]]).norm(dim=-1)

    model = torch_geometric.nn.SchNet(
        hidden_channels=16, num_filters=16, num_interactions=2, num_gaussians=8, interaction_graph=all_pairs
    )
    return model, _molecule(), {}


def _dimenet() -> Case:
    import torch_geometric.nn.models.visnet as visnet

    block = visnet.ViS_MP(num_heads=2, hidden_channels=8, cutoff=5.0, vecnorm_type="none", trainable_vecnorm=False)
    import torch

    vectors = torch.rand(_NODES, 3, 8)
    return (
        block,
        (_nodes(), vectors, _edges(), _weights(), _weights(8), torch.rand(_EDGES, 3)),
        {},
    )


def _dense_gcn() -> Case:
    import torch

    return _nn_module().DenseGCNConv(_WIDTH, _OUT), (torch.rand(2, 6, _WIDTH), torch.rand(2, 6, 6).round()), {}


def _dense_diff_pool() -> Case:
    import torch
    import torch_geometric.nn

    class Pool(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.assign = torch_geometric.nn.DenseSAGEConv(_WIDTH, 3)

        def forward(self, x: torch.Tensor, near: torch.Tensor) -> tuple[torch.Tensor, ...]:
            return torch_geometric.nn.dense_diff_pool(x, near, self.assign(x, near))

    return Pool(), (torch.rand(2, 6, _WIDTH), torch.rand(2, 6, 6).round()), {}


def _meta_layer() -> Case:
    return _nn_module().MetaLayer(node_model=_node_model()), (_nodes(), _edges(), _weights(3)), {}


def _node_model() -> Any:
    import torch
    from torch_geometric.utils import scatter

    class NodeModel(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.first, self.second = _mlp(_WIDTH + 3), _mlp(_WIDTH + _OUT)

        def forward(self, x: Any, edges: Any, weights: Any, u: Any, batch: Any) -> Any:
            row, col = edges
            said = self.first(torch.cat([x[row], weights], dim=1))
            heard = scatter(said, col, dim=0, dim_size=x.size(0), reduce="mean")
            return self.second(torch.cat([x, heard], dim=1))

    return NodeModel()


def _gae() -> Case:
    import torch
    import torch_geometric.nn

    class Reconstructing(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.gae = torch_geometric.nn.GAE(torch_geometric.nn.GCNConv(_WIDTH, _OUT))

        def forward(self, x: torch.Tensor, edges: torch.Tensor) -> torch.Tensor:
            return self.gae.recon_loss(self.gae.encode(x, edges), edges)

    return Reconstructing(), (_nodes(), _edges()), {}


def _classifier() -> Case:
    """A graph classifier on a batch of `Data`, the way the library's tutorials write it."""
    import torch
    import torch_geometric.nn as nn
    from torch_geometric.data import Batch, Data

    class Classifier(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.first, self.second = nn.GCNConv(_WIDTH, 16), nn.GCNConv(16, 16)
            self.answer = nn.Linear(16, 3)

        def forward(self, data: Any) -> torch.Tensor:
            x = self.first(data.x, data.edge_index).relu()
            x = torch.nn.functional.dropout(x, training=self.training)
            x = self.second(x, data.edge_index)
            return self.answer(nn.global_mean_pool(x, data.batch)).log_softmax(-1)

    graphs = [Data(x=_nodes(), edge_index=_edges()) for _ in range(2)]
    return Classifier(), (Batch.from_data_list(graphs),), {}


def _model(name: str, dropout: float = 0.0) -> Case:
    import torch

    options = {"dropout": dropout, "norm": "batch_norm"}
    if name == "PNA":
        options |= {"aggregators": ["mean", "max"], "scalers": ["identity"], "deg": torch.tensor([0, 2, 8, 6])}
    model = getattr(_nn_module(), name)(_WIDTH, 16, num_layers=2, out_channels=_OUT, **options)
    return model, (_nodes(), _edges()), {}


def _aggregation(name: str, args: tuple[Any, ...], options: dict[str, Any]) -> Case:
    return getattr(_nn_module(), name)(*args, **options), (_nodes(), _batch()), {}


def _pooling(name: str, options: dict[str, Any]) -> Case:
    import torch_geometric.nn as nn

    kwargs = {} if name == "EdgePooling" else {"batch": _batch()}
    args = (_nodes(), _edges(), _batch()) if name == "EdgePooling" else (_nodes(), _edges())
    return getattr(nn, name)(_WIDTH, **options), args, kwargs


def _norm(name: str) -> Case:
    nn = _nn_module()
    if name == "MessageNorm":
        return nn.MessageNorm(True), (_nodes(), _nodes()), {}
    args = {"PairNorm": (), "MeanSubtractionNorm": (), "GraphSizeNorm": (), "DiffGroupNorm": (_WIDTH, 3)}
    layer = getattr(nn, name)(*args.get(name, (_WIDTH,)))
    return layer, (_nodes(),) if name in ("BatchNorm", "DiffGroupNorm") else (_nodes(), _batch()), {}
