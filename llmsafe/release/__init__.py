"""What leaves the building: made of a run, audited as it ships, judged, described and signed."""
