"""Code shared by figures: rows and factors, style, panels, ticks, lines, cells, legends."""
