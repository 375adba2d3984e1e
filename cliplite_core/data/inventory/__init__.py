"""Is the data there, is it whole, can it be smaller?"""
