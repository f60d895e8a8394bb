"""What every floor stands on: errors, files written whole, the cache on disk, batch order, distribution, memory.

Nothing here knows of images or networks. Ask its modules by name: `errors`, `atomic`, `cache`, `distribute`, ...
"""
