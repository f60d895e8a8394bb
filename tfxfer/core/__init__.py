"""What every floor uses: errors, atomic writes, the cache on disk, batch order, distribution, memory.

Nothing here knows about images or networks. Import its modules by name: `errors`, `atomic`, `cache`, `distribute`, ...
"""
