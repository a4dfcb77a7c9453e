"""What several figures share: rows and factors, style, panels, ticks, lines, cells, legends."""
