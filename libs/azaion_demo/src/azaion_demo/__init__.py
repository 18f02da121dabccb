"""The demo of the whole loop: neutral aerial scenes, the run, and its report page."""
