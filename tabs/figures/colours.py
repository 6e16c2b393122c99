"""Colours of the figures, told apart by colour-blind eyes too: Okabe and Ito, https://jfly.uni-koeln.de/color/."""

ORANGE = "#E69F00"
SKY = "#56B4E9"
GREEN = "#009E73"
PINK = "#CC79A7"
BLUE = "#0072B2"
VERMILION = "#D55E00"
YELLOW = "#F0E442"
LIGHT_GREY = "#999999"
GREY = "#8792a8"  # of words and lines: readable on white and on black
