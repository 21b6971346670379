"""Hundreds of real models that none of us wrote: does Lens trace, validate and draw each of them?"""
