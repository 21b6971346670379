"""Which of torch's functions are no operations, by name?

Names from `torch.overrides.get_overridable_functions()`, read one by one; what is in none of these tables is an
operation.  A test walks the whole list and fails on any function that is neither recorded nor here.
"""

METADATA_NAMES = frozenset(
    """
    __class__ __cuda_array_interface_version__ __dir__ __len__ _backward_hooks _base _cdata _conj_is_set
    _cufft_get_plan_cache_size _debug_has_internal_overlap _dimI _dimV _has_compatible_shallow_copy_type
    _has_symbolic_sizes_strides _is_all_true_meta _is_view _is_zerotensor _nnz _post_accumulate_grad_hooks
    _python_dispatch _reduce_ex_internal_meta _sparse_mask_meta _typed_storage _use_cudnn_ctc_loss _version
    can_cast cudnn_is_acceptable data_type dense_dim device dim dim_order dtype element_size finfo
    get_default_dtype get_device grad_fn has_names iinfo is_coalesced is_complex is_conj is_contiguous is_cpu
    is_cuda is_distributed is_floating_point is_hpu is_inference is_ipu is_leaf is_maia is_meta is_mkldnn is_mps
    is_mtia is_neg is_nested is_ort is_pinned is_quantized is_same_size is_set_to is_shared is_signed is_sparse
    is_sparse_csc is_sparse_csr is_storage is_tensor is_vulkan is_vulkan_available is_xla is_xpu itemsize layout
    nbytes ndim ndimension nelement numel numpy_T output_nr promote_types q_per_channel_axis q_scale
    q_zero_point qscheme requires_grad result_type retains_grad shape size sparse_dim storage_offset stride type
    """.split()  # noqa: SIM905 - a list of 100 quoted names is harder to read
)
"""Answered, never recorded: they ask for a shape, a type, a device, a flag."""
METADATA_PROPERTIES = frozenset(
    """
    _grad grad name names volatile
    """.split()  # noqa: SIM905 - a list of 100 quoted names is harder to read
)
"""The same, but only as properties: functions of these names are operations."""
PLAIN_NAMES = frozenset(
    """
    __array_priority__ __array_wrap__ __delete__ __dir__ __format__ __hash__ __reduce__ __reduce_ex__ __repr__
    __setstate__ __sizeof__ __str__ __torch_function__ _backward_hooks__set__
    _clear_non_serializable_cached_data _reduce_ex_internal _register_hook_dict _rev_view_func_unsafe
    _update_names _view_func _view_func_unsafe backward register_hook register_multi_grad_hook
    register_post_accumulate_grad_hook retain_grad
    """.split()  # noqa: SIM905 - a list of 100 quoted names is harder to read
)
"""Run with recording off: printing, pickling, autograd's own bookkeeping."""
READ_NAMES = frozenset(
    """
    __bool__ __complex__ __contains__scalar __float__ __index__ __int__ __length_hint__ __long__ __nonzero__
    _is_any_true_ _local_scalar_dense allclose equal is_nonzero item tolist
    """.split()  # noqa: SIM905 - a list of 100 quoted names is harder to read
)
"""A value leaves the tensor world."""
ESCAPE_NAMES = frozenset(
    """
    __array__ __array_interface__ __cuda_array_interface__ __dlpack__ _storage _to_dlpack data_ptr numpy
    share_memory_ storage to_dlpack untyped_storage
    """.split()  # noqa: SIM905 - a list of 100 quoted names is harder to read
)
"""A raw handle on the memory leaves torch."""
MOVES_OBJECT_NAMES = frozenset(
    """
    _coalesced_ _conj_physical_meta_ as_strided_ detach_ names_ rename_ requires_grad_ retain_grad_
    share_memory_ sparse_resize_ squeeze_ swap_ swapaxes_ swapdims_ t_ transpose_ unflatten_ unsqueeze_
    """.split()  # noqa: SIM905 - a list of 100 quoted names is harder to read
)
"""End in an underscore and write no values: the object becomes another view, or changes a flag."""
KEEPS_PLACE_NAMES = frozenset(("detach_", "names_", "rename_", "requires_grad_", "retain_grad_", "share_memory_"))
"""Those of them that change a flag, or where the memory is: the tensor lies in it as before."""
