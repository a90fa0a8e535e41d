"""E-mail as octets: domains, addresses, headers, messages. Knows nothing of people or tasks.

Whatever is written here comes from data: titles, names, addresses, settings. None of it is parsed on its way out.
"""
