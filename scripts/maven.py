"""Libraries of Maven Central, as Maven brings them: pinned in a pom, kept in its own cache."""

import shutil
import subprocess
import tempfile
from pathlib import Path

PLUGIN = "org.apache.maven.plugins:maven-dependency-plugin:3.8.1:build-classpath"
# Seconds for downloads.
PATIENCE = 600


class Unusable(Exception):
    """They cannot be had here; the text says why."""


def classpath(pom):
    """The libraries that the pom names, for `java -cp`."""
    for tool in ("java", "mvn"):
        if shutil.which(tool) is None:
            raise Unusable(f"{tool} is not installed")
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "classpath"
        command = ["mvn", "-q", "-B", "-f", pom, PLUGIN, f"-Dmdep.outputFile={file}"]
        try:
            made = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE)
        except subprocess.TimeoutExpired as slow:
            raise Unusable(f"Maven did not bring the libraries within {PATIENCE} s") from slow
        if made.returncode != 0:
            told = [line for line in made.stdout.splitlines() if "ERROR" in line][:1]
            raise Unusable(f"Maven could not bring the libraries: {' '.join(told)[:200]}")
        return file.read_text().strip()
