"""Endless loops among automations are found by name; the loop through drift is the one that is meant."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.deciding.loops import Made, Node, Wanted, edges, find

TRAIN = Node(
    "train",
    (Made("model", "delay"), Made("run", "delay")),
    (Wanted("blobs", "flights/**", "landing"), Wanted("drift", "delay")),
)
RELEASE = Node("release", (Made("deployment", "delay"),), (Wanted("model", "delay"),))


def test_train_release_drift_train_is_the_loop_that_is_meant() -> None:
    assert find([TRAIN, RELEASE]) == ()
    assert [(edge.origin, edge.target, edge.via) for edge in edges([TRAIN, RELEASE])] == [
        ("train", "release", "model"),
        ("release", "train", "drift"),
    ]


def test_a_model_that_starts_its_own_training_is_a_loop() -> None:
    loops = find([Node("train", (Made("model", "delay"),), (Wanted("model", "d*"),))])
    assert [str(loop) for loop in loops] == ["train (registers delay) → train"]


def test_a_loop_over_three_is_told_once_with_all_names() -> None:
    nodes = [
        Node("c", (Made("model", "one"),), (Wanted("deployment", "two"),)),
        Node("a", (Made("model", "two"),), (Wanted("model", "one"),)),
        Node("b", (Made("deployment", "two"),), (Wanted("model", "two"),), guarded=True),
    ]
    (loop,) = find(nodes)
    assert loop.names == ("a", "b", "c")
    assert loop.guarded
    assert str(loop) == "a (registers two) → b (deploys two) → c (registers one) → a"


@pytest.mark.parametrize(
    ("made", "wanted", "own_outputs", "loop"),
    [
        (Made("blobs", "scored", "landing"), Wanted("blobs", "scored/**/*.csv", "landing"), True, True),
        (Made("blobs", "scored", "landing"), Wanted("blobs", "scored/**/*.csv", "landing"), False, False),
        (Made("blobs", "scored", "landing"), Wanted("blobs", "**/*.csv", "landing"), True, True),
        (Made("blobs", "scored", "landing"), Wanted("blobs", "scored-late/*.csv", "landing"), True, False),
        (Made("blobs", "scored", "landing"), Wanted("blobs", "scored/**", "other"), True, False),
        (Made("blobs", "", "landing"), Wanted("blobs", "flights/**", "landing"), True, True),
        (Made("run", "delay"), Wanted("run", "delay"), True, True),
        (Made("run", "delay"), Wanted("run", "delay"), False, False),
        (Made("run", ""), Wanted("run", "delay"), True, True),
        (Made("model", "delay"), Wanted("model", "carrier"), False, False),
        (Made("model", "delay"), Wanted("deployment", "delay"), False, False),
    ],
)
def test_own_outputs_start_nothing_unless_asked_for(made: Made, wanted: Wanted, own_outputs: bool, loop: bool) -> None:
    assert bool(find([Node("one", (made,), (wanted,), own_outputs=own_outputs)])) == loop


GRAPHS = st.integers(1, 7).flatmap(
    lambda size: st.sets(st.tuples(st.integers(0, size - 1), st.integers(0, size - 1)), max_size=12).map(
        lambda pairs: (size, pairs)
    )
)


@given(GRAPHS)
def test_an_automation_is_on_a_loop_exactly_where_it_reaches_itself(graph: tuple[int, set[tuple[int, int]]]) -> None:
    size, pairs = graph
    nodes = [
        Node(
            f"n{index}",
            tuple(Made("model", f"m{a}-{b}") for a, b in pairs if a == index),
            tuple(Wanted("model", f"m{a}-{b}") for a, b in pairs if b == index),
        )
        for index in range(size)
    ]
    reach = {a: {b for x, b in pairs if x == a} for a in range(size)}
    for _ in range(size):
        reach = {a: targets | {c for b in targets for c in reach[b]} for a, targets in reach.items()}
    looping = {f"n{a}" for a in range(size) if a in reach[a]}
    loops = find(nodes)
    assert {name for loop in loops for name in loop.names} == looping
    for loop in loops:
        assert len(set(loop.names)) == len(loop.names)
        for edge, following in zip(loop.edges, (*loop.edges[1:], loop.edges[0]), strict=True):
            assert edge.target == following.origin
