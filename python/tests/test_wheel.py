"""What the installed wheel says and contains."""

import re
import subprocess
import unittest
from importlib import metadata
from pathlib import Path

from project import PATIENCE

from sideman import program

HOME = Path(__file__).parents[2]


class Wheel(unittest.TestCase):
    def test_version_is_that_of_the_program_and_of_cargo(self):
        cargo = re.search(r'^version = "(.+)"$', (HOME / "Cargo.toml").read_text(), re.MULTILINE).group(1)
        self.assertEqual(metadata.version("sideman"), cargo)
        said = subprocess.run([program.find(), "--version"], capture_output=True, text=True, timeout=PATIENCE)
        self.assertIn(cargo, said.stdout)

    def test_needs_no_other_package(self):
        self.assertIsNone(metadata.requires("sideman"))

    def test_has_licences_and_the_text_of_the_index(self):
        found = metadata.metadata("sideman")
        self.assertEqual(found["License-Expression"], "MIT OR Apache-2.0")
        self.assertEqual(found.get_all("License-File"), ["LICENSE-MIT", "LICENSE-APACHE"])
        self.assertIn("manage.py sideman", found.get_payload() or found["Description"])

    def test_has_the_application_and_no_test(self):
        names = [str(file) for file in metadata.files("sideman")]
        self.assertIn("sideman/management/commands/sideman.py", names)
        self.assertFalse([name for name in names if "test" in name or "sbom" in name], names)
