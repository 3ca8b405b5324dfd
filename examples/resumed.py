"""Work that goes on where an earlier run has ended; what was done before counts into neither rate nor ETA."""

import time

import kbar

files = [f"file{number}.txt" for number in range(100)]
done = 60  # as a checkpoint says

for _ in kbar.track(files[done:], label="convert", initial=done, unit="file"):
    time.sleep(0.01)
