"""Labels of the corner plot."""

import matplotlib.pyplot as plt

from skyred_sampling.corner import _label


def test_names_with_dollar_signs_are_drawn_as_they_are() -> None:
    figure = plt.figure()
    plain = figure.text(0, 0, _label(r"a_$\b$.index", "", 0))
    with_unit = figure.text(0, 0, _label(r"a_$\b$.amplitude", "TeV-1 cm-2 s-1", -11))
    figure.draw_without_rendering()
    assert plain.get_window_extent().width == figure.text(
        0, 0, "a_$\\b$\nindex", parse_math=False
    ).get_window_extent().width  # fmt: skip
    assert with_unit.get_window_extent().height > plain.get_window_extent().height
    plt.close(figure)
