"""Tries an installed kbar, away from its source: neither Keras nor any backend is there."""

import subprocess
import sys

import kbar

assert "site-packages" in kbar.__file__, kbar.__file__
assert not {"keras", "tensorflow", "tqdm", "rich"} & set(sys.modules)
try:
    kbar.ProgressBar
except ImportError as error:
    assert "keras-kbar[tensorflow]" in str(error), error
else:
    sys.exit("Keras is installed where it should not be")
for renderer in ("log", "rich", "tqdm", "none"):
    command = [sys.executable, "-m", "kbar", "demo", "--renderer", renderer, "--epochs", "2", "--seconds", "0.3"]
    shown = subprocess.run(command, check=True, capture_output=True, text=True)
    assert ("fit" in shown.stdout) == (renderer != "none"), shown
    assert not shown.stderr, shown
print(f"kbar {kbar.__version__} works as installed")
