"""Classes of `portmapper.support.values.frozen` behave as those of `attrs.frozen`."""

from __future__ import annotations

import copy
import pickle

import attrs
import pytest

from portmapper.support.values import evolve, frozen


@frozen
class Base:
    """A value with a field that does not count, and one that is not shown."""

    port: int
    note: str = attrs.field(default="", eq=False)
    token: str = attrs.field(default="", repr=False)


@frozen
class Derived(Base):
    """A value with an inherited field."""

    names: tuple[str, ...] = ()


@frozen
class Empty:
    """A value without fields."""


@frozen
class Own:
    """A value with methods of its own."""

    port: int

    def __eq__(self, other: object) -> bool:
        return True

    def __hash__(self) -> int:
        return 7

    def __repr__(self) -> str:
        return "own"


def test_values_with_the_same_fields_are_equal_and_have_one_hash() -> None:
    """A field with `eq=False` does not count."""
    assert Base(1, token="a") == Base(1, "a note", "a")
    assert hash(Base(1, "a", "b")) == hash(Base(1, "other", "b"))
    assert Base(1) != Base(2)
    assert Derived(1, names=("a",)) != Derived(1)
    assert Empty() == Empty()
    assert len({Empty(), Empty()}) == 1


def test_a_value_of_another_class_is_not_equal() -> None:
    """Not even a value of a subclass."""
    assert Base(1) != Derived(1)
    assert Base(1).__eq__(Derived(1)) is NotImplemented
    assert Base(1) != 1


def test_a_value_with_an_unhashable_field_has_no_hash() -> None:
    """It fails as it does with attrs."""
    with pytest.raises(TypeError):
        hash(Base([1]))  # type: ignore[arg-type]


def test_the_representation_omits_what_must_not_be_shown() -> None:
    """A token never gets into a log."""
    assert repr(Base(1, "a", "secret")) == "Base(port=1, note='a')"
    assert repr(Derived(1, names=("x",))) == "Derived(port=1, note='', names=('x',))"
    assert repr(Empty()) == "Empty()"


def test_a_value_cannot_be_changed() -> None:
    """A changed copy can be made."""
    with pytest.raises(attrs.exceptions.FrozenInstanceError):
        Base(1).port = 2  # type: ignore[misc]
    assert attrs.evolve(Base(1, "a"), port=2) == Base(2)


def test_a_value_can_be_copied_and_pickled() -> None:
    """Also with slots."""
    assert copy.deepcopy(Derived(1, "a")) == pickle.loads(pickle.dumps(Derived(1, "a"))) == Derived(1)


def test_methods_of_the_class_itself_stay() -> None:
    """As `auto_detect` of attrs does."""
    assert Own(1) == Own(2)
    assert (hash(Own(1)), repr(Own(1))) == (7, "own")


def test_a_class_inside_a_function_is_shown_by_its_own_name() -> None:
    """Without the name of the function."""

    @frozen
    class Inner:
        port: int

    assert repr(Inner(1)) == "Inner(port=1)"


def test_a_changed_copy_is_that_of_attrs() -> None:
    """The other fields stay, and a field that does not exist is an error."""
    value = Derived(1, "a", "secret", ("x",))
    changed = evolve(value, note="b", names=())
    assert (changed, changed.note, changed.token) == (attrs.evolve(value, names=()), "b", "secret")
    assert evolve(value) == value
    with pytest.raises(KeyError):
        evolve(value, none=1)
