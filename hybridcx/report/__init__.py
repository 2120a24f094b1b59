"""The report: content in, a page of sections out, and its formats.

`content` is what a command reports, `order` the list of sections, `page` numbers them, `formats` writes them.
"""
