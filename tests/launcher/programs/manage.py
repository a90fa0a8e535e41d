"""The stand-in's manage.py: as much of `prepare` as the launcher sees of it."""

import os
import sys
from pathlib import Path

if os.environ.get("FAKE_PREPARE") == "fail":
    sys.exit("the migration is not possible")
print("prepared with", os.environ["DATABASE_URL"].partition(":")[0], flush=True)
(Path(os.environ["DATA_DIR"]) / "admin-password").write_text("s3cret\n")
