"""Merge keys (``<<``) of YAML mappings, as ruamel.yaml merges them."""

from __future__ import annotations

import attrs
from ruamel.yaml.nodes import MappingNode, Node, SequenceNode

Pair = tuple[Node, Node]
MERGE_TAG = "tag:yaml.org,2002:merge"


class InvalidMergeError(Exception):
    """Raised if a merge value is not a mapping or list of mappings, or contains itself."""


def is_merge_key(key: Node) -> bool:
    """Return whether a key is a merge key; a quoted ``"<<"`` is not.

    Parameters
    ----------
    key : Node
        The key.

    Returns
    -------
    bool
        Whether it is a merge key.
    """
    return str(key.tag) == MERGE_TAG


@attrs.define
class MergedMappings:
    """The keys and values of mappings, including those from merge keys.

    Every mapping is merged only once. Without this, the time could grow exponentially with the
    depth of nested merges.

    Parameters
    ----------
    pairs : dict of int to dict
        The keys and values of each mapping, including those from merge keys, by `id` of its node.
    """

    pairs: dict[int, dict[str, Pair]] = attrs.field(factory=dict)
    _open: set[int] = attrs.field(factory=set)

    def inherited(self, value: Node) -> dict[str, Pair]:
        """Return the keys and values that a mapping takes from the value of its merge key.

        Parameters
        ----------
        value : Node
            The value of the merge key: a mapping, or a list of mappings, of which earlier ones have
            precedence.

        Returns
        -------
        dict of str to tuple of Node
            Keys and values, in the order in which ruamel.yaml inserts them.

        Raises
        ------
        InvalidMergeError
            If the value is neither a mapping nor a list of mappings, or if a mapping is merged into
            itself.
        """
        inherited: dict[str, Pair] = {}
        nodes = _list_mappings(value)
        # ruamel.yaml inserts the mappings in reverse order. If a mapping is listed twice, its last
        # occurrence determines the order of the keys, and its first occurrence the precedence of
        # its values
        for node in (*dict.fromkeys(reversed(nodes)), *reversed(dict.fromkeys(nodes))):
            inherited |= self._all_pairs(node)
        return inherited

    def _all_pairs(self, node: MappingNode) -> dict[str, Pair]:
        if id(node) in self._open:
            raise InvalidMergeError
        if id(node) not in self.pairs:
            self._open.add(id(node))
            try:
                self.pairs[id(node)] = self._merge(node)
            finally:
                self._open.discard(id(node))
        return self.pairs[id(node)]

    def _merge(self, node: MappingNode) -> dict[str, Pair]:
        pairs: dict[str, Pair] = {}
        own: dict[str, Pair] = {}
        for key, value in node.value:
            if is_merge_key(key):
                pairs |= self.inherited(value)
            else:
                own.setdefault(str(key.value), (key, value))
        return pairs | own


def _list_mappings(value: Node) -> list[MappingNode]:
    nodes = value.value if isinstance(value, SequenceNode) else [value]
    if not all(isinstance(node, MappingNode) for node in nodes):
        raise InvalidMergeError
    return list(nodes)
