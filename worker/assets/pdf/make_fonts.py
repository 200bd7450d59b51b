#!/usr/bin/env python3
"""Makes the fonts of the PDF from DejaVu Sans Condensed 2.37 (https://dejavu-fonts.github.io): fewer letters, no hints, and
no glyphs that are put together from others, so that the program can leave out of a file what it does not show.

  make_fonts.py FOLDER-OF-DEJAVU FOLDER-TO-WRITE       needs fonttools 4
"""

import sys
from pathlib import Path

from fontTools import subset
from fontTools.pens.recordingPen import DecomposingRecordingPen
from fontTools.pens.ttGlyphPen import TTGlyphPen
from fontTools.ttLib import TTFont

# Latin, Greek, Cyrillic, punctuation, numbers, letter-like, arrows, mathematics, geometric shapes.
LETTERS = [(0x20, 0x7E), (0xA0, 0x24F), (0x2C6, 0x2DD), (0x370, 0x3FF), (0x400, 0x52F), (0x1E00, 0x1EFF), (0x2010, 0x2027),
           (0x2030, 0x205E), (0x2070, 0x209C), (0x20A0, 0x20B5), (0x2100, 0x214E), (0x2190, 0x2199), (0x2200, 0x222B),
           (0x2248, 0x2265), (0x25A0, 0x25CF), (0x25D0, 0x25D3), (0xFFFD, 0xFFFD)]


def main():
    source, target = map(Path, sys.argv[1:])
    for name in ("DejaVuSansCondensed", "DejaVuSansCondensed-Bold"):
        options = subset.Options(hinting=False, layout_features=[], notdef_outline=True, name_IDs=[0, 1, 2, 4, 5, 6, 13])
        options.drop_tables += ["GSUB", "GPOS", "GDEF", "MATH", "kern", "FFTM", "gasp", "DSIG", "prep", "fpgm", "cvt "]
        font = TTFont(source / f"{name}.ttf", recalcTimestamp=False)
        maker = subset.Subsetter(options)
        maker.populate(unicodes=[code for first, last in LETTERS for code in range(first, last + 1)])
        maker.subset(font)
        glyphs = font.getGlyphSet()
        for glyph in font.getGlyphOrder():
            if font["glyf"][glyph].isComposite():
                recorded, drawn = DecomposingRecordingPen(glyphs), TTGlyphPen(None)
                glyphs[glyph].draw(recorded)
                recorded.replay(drawn)
                font["glyf"][glyph] = drawn.glyph()
        font.save(target / f"{name}.ttf")


main()
