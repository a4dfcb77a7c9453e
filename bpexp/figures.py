def draw_all(tables, folder, metadata):
    return []
