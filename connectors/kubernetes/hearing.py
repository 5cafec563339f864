"""What a mesh says of the objects of a table while it looks at them: each is judged once, and again when it changes."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from connectors.kubernetes.changes import Change
from connectors.kubernetes.dialect import Dialect, Word, together
from connectors.kubernetes.resource import Manifest, named, text
from connectors.kubernetes.spec import KubernetesSpec, Place
from placement.fleet import ServiceId
from placement.weights import WeightTable

Key = tuple[str, str, str]
"""(kind, namespace, name)."""


@dataclass(slots=True)
class Hearing:
    """One write, and the words on it so far. A table of n services is heard n times: words that stand are kept."""

    spec: KubernetesSpec
    dialect: Dialect
    changed: Mapping[Key, Change]
    """What was written."""
    _words: dict[ServiceId, tuple[Manifest, Word]] = field(default_factory=dict)

    def of(self, table: WeightTable, namespace: str, held: Mapping[tuple[str, str], Manifest]) -> Word:
        """Of all services in a namespace together: the first no, else what is waited for, else yes."""
        waits, counted = Word(True), list[bool | None]()
        for service in table.services:
            place = self.spec.places[service]
            if self.dialect.namespace(place) != namespace:
                continue
            live = held.get((namespace, place.route_name))
            if live is None:
                waits = Word(None, f"{place.route_name} is not seen yet")
                continue
            word = self._word(place, live)
            if word.accepted is False:
                return Word(False, f"{named(live)}: {word.why}")
            if word.accepted is None or (word.programmed is False and waits.accepted):
                waits = Word(word.accepted, f"{named(live)}: {word.why}")
            counted.append(word.programmed)
        return Word(waits.accepted, waits.why, together(counted))

    def _word(self, place: Place, live: Manifest) -> Word:
        known = self._words.get(place.service)
        if known is not None and known[0] is live:
            return known[1]
        change = self.changed.get(key_of(live))
        word = self.dialect.word(place, live, (change.before or {}) if change else None)
        self._words[place.service] = (live, word)
        return word


def key_of(manifest: Manifest) -> Key:
    """By which objects are told apart."""
    return text(manifest, "kind"), text(manifest, "metadata", "namespace"), text(manifest, "metadata", "name")
