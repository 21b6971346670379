"""The paper's definition of a layer, case by case, on graphs written in letters."""

from __future__ import annotations

import pytest

from lens_graph._loops import LoopNode, find_layers
from tests.lens_graph.letter_graphs import parse, passes, rolled


def times(body: str, count: int) -> str:
    return " ".join([body] * count)


def test_nothing_has_no_layers() -> None:
    assert find_layers([]) == ()


def test_figure_3a() -> None:
    assert rolled("~x cos linear! add sin cos linear! add ~y(add)") == (
        "x cos:1 linear:1 add:1 sin cos:2 linear:2 add:2 y"
    )


def test_figure_3b() -> None:
    assert rolled("~x cos relu mul cos relu mul tan cos relu mul ~y(mul)") == (
        "x cos:1 relu:1 mul:1 cos:2 relu:2 mul:2 tan cos relu mul y"
    )


@pytest.mark.parametrize("count", [3, 50, 5000])
def test_a_body_repeated_often_has_as_many_passes(count: int) -> None:
    with_parameters = "~x " + times("cos linear! add", count)
    without = "~x " + times("cos relu mul", count)
    assert passes(with_parameters) == {"x": [1], "cos": [count], "linear": [count], "add": [count]}
    assert passes(without) == {"x": [1], "cos": [count], "relu": [count], "mul": [count]}


# --- rule 1 ---


def test_equal_parameters_far_apart_are_one_layer() -> None:
    assert rolled("~x embed! a b c d embed!(d) e") == "x embed:1 a b c d embed:2 e"


def test_one_operation_with_parameters_is_one_layer() -> None:
    assert rolled("~x linear! relu") == "x linear relu"


def test_other_functions_of_the_same_parameters_are_other_layers() -> None:
    assert rolled("~x embed! linear_of_the_same!") == "x embed linear_of_the_same"


def test_sources_are_never_alike() -> None:
    assert rolled("~b add ~b add(add) ~b add(add)").count(":") == 0


# --- rule 2 ---


def test_growth_stops_at_the_first_difference() -> None:
    assert rolled("~x lin! relu a tanh sig lin! relu b tanh cos") == "x lin:1 relu:1 a tanh sig lin:2 relu:2 b tanh cos"


def test_growth_goes_both_ways() -> None:
    assert rolled("~x a cos sin lin! relu tan b cos sin lin! relu tan c") == (
        "x a cos:1 sin:1 lin:1 relu:1 tan:1 b cos:2 sin:2 lin:2 relu:2 tan:2 c"
    )


def test_growth_goes_through_a_residual_join() -> None:
    block = "in=relu lin! drop join=add(drop,in) norm"
    assert passes(f"~x {times(block, 4)}") == {"x": [1], "relu": [4], "lin": [4], "drop": [4], "add": [4], "norm": [4]}


def test_growth_asks_for_the_same_argument() -> None:
    assert rolled("~x h=lin! sub(h,x) a h=lin! sub(x,h) b") == "x lin:1 sub a lin:2 sub b"


def test_two_children_of_one_pass_stay_two_layers() -> None:
    body = "h=lin! p=relu(h) q=relu(h) add(p,q)"
    assert rolled(f"~x {times(body, 2)}") == "x lin:1 relu:1 relu:1 add:1 lin:2 relu:2 relu:2 add:2"
    assert passes(f"~x {times(body, 3)}")["relu"] == [3, 3]


def test_children_beyond_the_shorter_list_stay_alone() -> None:
    assert rolled("~x h=lin! relu(h) relu(h) a lin! relu b") == "x lin:1 relu:1 relu a lin:2 relu:2 b"


def test_a_third_pass_links_the_children_that_the_second_lacks() -> None:
    assert rolled("~x h=lin! relu(h) relu(h) a lin! relu b h=lin! relu(h) relu(h) c") == (
        "x lin:1 relu:1 relu:1 a lin:2 relu:2 b lin:3 relu:3 relu:2 c"
    )


def test_growth_from_two_seeds_meets() -> None:
    assert passes("~x " + times("p! cos sin q!", 3)) == {"x": [1], "p": [3], "cos": [3], "sin": [3], "q": [3]}


def test_a_constant_that_changes_stops_growth_there_but_not_elsewhere() -> None:
    assert rolled("~x lin! mul1 relu lin! mul2 relu lin! mul3 relu") == (
        "x lin:1 mul1 relu:1 lin:2 mul2 relu:2 lin:3 mul3 relu"
    )


def test_a_function_in_and_out_of_the_loop_is_merged_inside_only() -> None:
    assert rolled("~x a relu b lin! relu lin! relu c relu") == "x a relu b lin:1 relu:1 lin:2 relu:2 c relu"


def test_growth_is_carried_from_neighbour_to_neighbour() -> None:
    body = "lin! a b c d e f g"
    assert passes(f"~x {body} stop1 {body} stop2")["g"] == [2]


def test_growth_does_not_start_from_repetition() -> None:
    assert rolled("~x tan a b a b cos ~y tan(y) a b a b cos").count("tan:") == 0


def test_encoder_and_decoder_with_tied_embeddings_share_only_these() -> None:
    assert rolled("~s e=embed! enc1 enc2 ~t d=embed!(t) dec1 dec2(dec1,enc2)") == (
        "s embed:1 enc1 enc2 t embed:2 dec1 dec2"
    )


def test_siamese_towers_are_passes() -> None:
    assert rolled("~a conv! relu pool u=lin! ~b conv!(b) relu pool v=lin! sub(u,v)") == (
        "a conv:1 relu:1 pool:1 lin:1 b conv:2 relu:2 pool:2 lin:2 sub"
    )


def test_a_head_over_five_levels_is_five_passes() -> None:
    text = "~x " + " ".join(f"f{i}=stage{i} conv!(f{i}) relu" for i in range(5))
    assert passes(text)["conv"] == [5]
    assert passes(text)["relu"] == [5]


def test_lateral_and_feedback_connections_keep_their_layers() -> None:
    step = "b=conv1! l=add(b,s) s=relu(l) t=conv2!(s) f=add(t,u) u=relu(f)"
    text = f"~s ~u ~x {times(step, 4)}"
    assert passes(text) == {"s": [1], "u": [1], "x": [1], "conv1": [4], "add": [4, 4], "relu": [4, 4], "conv2": [4]}


def test_lstm_cells_unrolled() -> None:
    cell = (
        "p=lin_h!(h) q=lin_x!(x) g=add(p,q) g0=chunk0(g) g1=chunk1(g) g2=chunk2(g) g3=chunk3(g) "
        "i=sig(g0) f=sig(g1) n=tanh(g2) o=sig(g3) k=mul(f,c) m=mul(i,n) c=add(k,m) w=tanh(c) h=mul(o,w)"
    )
    counts = passes(f"~x ~h ~c {times(cell, 6)}")
    assert counts["sig"] == [6, 6, 6]
    assert counts["tanh"] == [6, 6]
    assert counts["mul"] == [6, 6, 6]
    assert counts["add"] == [6, 6]
    assert counts["chunk3"] == [6]


# --- rule 3 ---


def test_adjacent_blocks_repeat() -> None:
    assert rolled(times("x y z", 3)) == "x:1 y:1 z:1 x:2 y:2 z:2 x:3 y:3 z:3"


def test_separated_blocks_do_not() -> None:
    assert ":" not in rolled("x y z a x y z b x y z")


def test_parameters_separate_blocks() -> None:
    assert ":" not in rolled("~i " + " ".join(f"h=conv{i}! relu add(relu,h)" for i in range(4)))


def test_a_loop_over_different_modules_is_none() -> None:
    assert ":" not in rolled("~x " + " ".join(f"s=relu conv{i}! add(conv{i},s)" for i in range(6)))


def test_parallel_branches_of_equal_content_are_no_loop() -> None:
    assert ":" not in rolled("~i x(i) y z x(i) y z x(i) y z")
    assert ":" not in rolled("~i a=view(i) p=transpose(a) b=view(i) q=transpose(b) c=view(i) r=transpose(c) mm(p,q,r)")


def test_sources_between_do_not_break_a_loop() -> None:
    assert passes("~i sin ~b add(sin,b) sin add(sin,b) sin add(sin,b)") == {"i": [1], "sin": [3], "b": [1], "add": [3]}


def test_fresh_constants_in_each_iteration_do_not_break_a_loop() -> None:
    assert passes("~i " + times("p=sin ~c add(p,c)", 3)) == {"i": [1], "sin": [3], "c": [1, 1, 1], "add": [3]}


def test_operands_from_outside_may_differ() -> None:
    assert passes("~i ~a ~b ~c s=mul(i,a) t=exp(s) s=mul(t,b) t=exp(s) s=mul(t,c) t=exp(s)")["mul"] == [3]


def test_operands_from_inside_may_not() -> None:
    # The third block reads the first one's exponential where the second reads its neighbour's.
    text = "~i a=mul(i) b=exp(a) c=mul(b) d=exp(c) e=mul(b) f=exp(e) out(d,f)"
    assert rolled(text) == "i mul:1 exp:1 mul:2 exp:2 mul exp out"


def test_two_loops_with_different_bodies() -> None:
    assert passes("~x " + times("a b", 3) + " " + times("c d", 2)) == {
        "x": [1],
        "a": [3],
        "b": [3],
        "c": [2],
        "d": [2],
    }


def test_two_equal_loops_apart_stay_apart() -> None:
    assert passes("~x " + times("a b", 3) + " stop " + times("a b", 2)) == {
        "x": [1],
        "a": [3, 2],
        "b": [3, 2],
        "stop": [1],
    }


def test_a_last_iteration_cut_short_belongs_to_the_loop() -> None:
    assert passes("~x a b c a b c a b") == {"x": [1], "a": [3], "b": [3], "c": [2]}


def test_a_first_iteration_cut_short_belongs_to_the_loop() -> None:
    # A readout of the state before the loop, and after each step.
    assert passes("~x h=init read(h) h=step(h) read(h) h=step(h) read(h) h=step(h) read(h)")["read"] == [4]


def test_two_states_updated_in_turn_are_a_loop() -> None:
    # total = total + term; term = term * half
    text = "~s ~t " + times("s=add(s,t) t=mul(t)", 4)
    assert passes(text) == {"s": [1], "t": [1], "add": [4], "mul": [4]}


def test_a_body_may_hold_one_function_twice() -> None:
    assert passes("~i " + times("x y x z", 2)) == {"i": [1], "x": [2, 2], "y": [2], "z": [2]}


def test_a_body_of_one_function_in_a_loop_is_told_apart_by_its_edges() -> None:
    body = "a=add(h,c) h=add(a,a)"
    assert passes("~h ~c " + times(body, 3))["add"] == [3, 3]


def test_diamonds_inside_the_body() -> None:
    assert passes("~h " + times("a=sin(h) b=cos(h) h=add(a,b)", 3)) == {"h": [1], "sin": [3], "cos": [3], "add": [3]}


def test_an_accumulator_beside_the_loop_takes_part() -> None:
    assert passes("~h ~s " + times("h=tanh(h) s=add(s,h)", 4)) == {"h": [1], "s": [1], "tanh": [4], "add": [4]}


def test_a_state_kept_from_before_the_loop_does_not_matter() -> None:
    assert passes("~i k=relu a=add(k,k) r=relu(a) a=add(r,k) r=relu(a) a=add(r,k) r=relu(a) end")["add"] == [3]


def test_nested_loops_give_the_product_of_passes() -> None:
    inner = times("b@1", 3)
    assert passes(f"~i {times(f'a {inner}', 4)}") == {"i": [1], "a": [4], "b": [12]}
    inner = times("b c", 3)
    assert passes(f"~i {times(f'a {inner} d', 4)}") == {"i": [1], "a": [4], "b": [12], "c": [12], "d": [4]}


def test_three_levels_of_loops() -> None:
    inner = times("c d", 2)
    middle = times(f"b {inner}", 3)
    assert passes(f"~i {times(f'a {middle}', 4)}") == {"i": [1], "a": [4], "b": [12], "c": [24], "d": [24]}


def test_a_loop_inside_a_body_with_parameters() -> None:
    inner = times("b c", 3)
    counts = passes(f"~i {times(f'lin! {inner} stop', 2)}")
    assert counts["lin"] == [2]
    assert sum(counts["b"]) == 6


def test_loops_that_do_not_hand_on_are_none() -> None:
    assert ":" not in rolled("~i " + times("randn() relu", 4))


def test_an_edge_two_copies_on_joins_no_copies() -> None:
    # Two chains in turn: parallel, although each goes on.
    assert ":" not in rolled("~a ~b " + times("a=f(a) b=f(b)", 3))


def test_noise_in_each_iteration() -> None:
    assert passes("~h " + times("n=randn() h=add(h,n)", 5)) == {"h": [1], "randn": [5], "add": [5]}


# --- single operations ---


def test_one_operation_in_a_loop() -> None:
    assert passes("~x " + times("tanh@1", 5)) == {"x": [1], "tanh": [5]}


def test_two_passes_of_one_operation_are_a_loop() -> None:
    assert passes("~x tanh@1 tanh@1") == {"x": [1], "tanh": [2]}


def test_one_operation_written_out_is_no_loop() -> None:
    assert ":" not in rolled("~x relu relu")
    assert ":" not in rolled("~x unsqueeze unsqueeze sin")
    assert ":" not in rolled("~x " + times("relu", 8))


def test_a_sum_written_out_is_no_loop() -> None:
    assert ":" not in rolled("~a ~b ~c ~d ~e add(a,b) add(add,c) add(add,d) add(add,e)")


@pytest.mark.parametrize("count", [2, 3, 4, 5, 8, 50])
def test_a_sum_over_a_list_is_no_loop(count: int) -> None:
    sources = " ".join(f"~s{i}" for i in range(count + 1))
    terms = " ".join(f"h=add({'h' if i else 's0'},s{i + 1})@1" for i in range(count))
    assert ":" not in rolled(f"{sources} {terms}")


def test_the_same_addend_again_and_again_is_a_loop() -> None:
    assert passes("~c ~h " + times("h=add(h,c)@1", 5)) == {"c": [1], "h": [1], "add": [5]}


def test_an_unknown_place_is_no_sign_of_a_loop() -> None:
    nodes = [LoopNode(node.signature, node.parents, node.has_parameters, None) for node in parse("~x tanh tanh tanh")]
    assert find_layers(nodes) == (0, 1, 2, 3)


def test_one_operation_twice_in_a_loop_is_two_layers() -> None:
    assert passes("~x " + times("tanh@1 tanh@2", 3)) == {"x": [1], "tanh": [3, 3]}


def test_one_function_called_from_two_places_is_two_loops() -> None:
    assert passes("~x " + times("tanh@1", 3) + " " + times("tanh@2", 4)) == {"x": [1], "tanh": [3, 4]}


def test_independent_calls_from_one_place_are_no_loop() -> None:
    assert ":" not in rolled("~x " + times("tanh(x)@1", 5))


def test_a_second_order_recurrence_is_a_loop() -> None:
    assert passes("~a ~b " + "c=add(a,b)@1 d=add(b,c)@1 e=add(c,d)@1 f=add(d,e)@1")["add"] == [4]
