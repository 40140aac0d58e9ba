"""Pictures: themes, layout, text fitting, timeline, drawing to frames."""
