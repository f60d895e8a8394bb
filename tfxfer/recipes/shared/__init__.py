"""What recipe pages share: feature sets, what a run keeps to look at, models judged alike, studies of shift and of
spatial structure."""
