"""What an editor wants to know about a configuration file that is being typed.

Texts and places in, values out: nothing here knows a protocol. Offsets count characters.
"""
