"""Differentiable forward models of quantitative phase microscopes, in torch.

Images are ``(N, Y, X)``; precision and device follow them. Phase is in radians,
positive where the object is thicker than its medium. Lengths are in micrometres.
"""
