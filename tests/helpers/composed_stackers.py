"""A stacker by orbital phase, composed of the stacker `sum`: the example of the how-to guide."""

from skyred import Stacker, Sum, component, instant, option, quantity

SUM = Sum()


@component
class SumByPhase(Stacker):
    """Stack the runs in each bin of the orbital phase into one dataset."""

    kind = "sum-by-phase"
    period = quantity("3.9 d", min="1 min", doc="Orbital period.")
    epoch = instant("2020-01-01T00:00:00", doc="Time of phase zero.")
    bins = option(4, min=1, doc="Number of phase bins.")

    def name_pattern(self, name):
        return f"{name}-phase*"

    def zero(self, geometry):
        return geometry, {}

    def add(self, total, dataset, observation):
        geometry, stacks = total
        phase = ((observation.tmid - self.epoch.time) / self.period).to_value("") % 1
        index = int(phase * self.bins)
        if index not in stacks:
            stacks[index] = SUM.zero(geometry.evolve(name=f"{geometry.name}-phase{index}"))
        stacks[index] = SUM.add(stacks[index], dataset, observation)
        return total

    def merge(self, left, right):
        (_, left_stacks), (_, right_stacks) = left, right
        for index, stack in right_stacks.items():
            if index in left_stacks:
                stack = SUM.merge(left_stacks[index], stack)
            left_stacks[index] = stack
        return left

    def result(self, total):
        from gammapy.datasets import Datasets

        _, stacks = total
        return Datasets([data for index in sorted(stacks) for data in SUM.result(stacks[index])])
