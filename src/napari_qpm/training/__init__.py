"""One trainer for every network, and a recipe for each.

Data are simulated on the training device from seeds.
"""
