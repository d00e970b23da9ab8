"""Hotlists that come again and again: fetched on a schedule, judged before they are believed, and said to be missed."""
