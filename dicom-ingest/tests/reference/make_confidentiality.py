#!/usr/bin/env python3
"""Writes confidentiality-2024b.csv: table E.1-1 of PS3.15 2024b as somebody else has it.

Run with a checkout of https://github.com/KitwareMedical/dicom-anonymizer (BSD-3-Clause):
    make_confidentiality.py dicomanonymizer/dicom_anonymization_databases/dicomfields_2024b.py > confidentiality-2024b.csv
Only tag and action are taken: facts of the standard. The test compares them with the product's table, edition 2024e.
"""

import runpy
import sys

LISTS = {
    "D_TAGS": "D", "Z_TAGS": "Z", "X_TAGS": "X", "U_TAGS": "U", "Z_D_TAGS": "Z/D", "X_Z_TAGS": "X/Z", "X_D_TAGS": "X/D",
    "X_Z_D_TAGS": "X/Z/D", "X_Z_U_STAR_TAGS": "X/Z/U",
}

tables = runpy.run_path(sys.argv[1])
rows = [(tag, action) for name, action in LISTS.items() for tag in tables[name] if len(tag) == 2]
print("tag,action")
for (group, element), action in sorted(rows):
    print(f"{group:04X}{element:04X},{action}")
