# SPDX-License-Identifier: GPL-3.0-or-later
"""Pictures of a shop's goods for the screenshots: drawn as SVG from a name, made a JPEG by the browser."""

import random

BOTTLE = (
    "M106 20h28v50c0 22 28 30 28 62v130a14 14 0 0 1-14 14H92a14 14 0 0 1-14-14V132c0-32 28-40 28-62z",
    "M102 12h36v22h-36z",
    (78, 150, 84, 88),
)
JAR = (
    "M70 84h100a18 18 0 0 1 18 18v152a22 22 0 0 1-22 22H74a22 22 0 0 1-22-22V102a18 18 0 0 1 18-18z",
    "M64 52h112a6 6 0 0 1 6 6v28H58V58a6 6 0 0 1 6-6z",
    (52, 140, 136, 84),
)
BAG = (
    "M58 70l8-22h108l8 22 10 186a20 20 0 0 1-20 20H68a20 20 0 0 1-20-20z",
    "M64 36h112v20H64z",
    (54, 134, 132, 92),
)
TIN = (
    "M56 60h128v204a12 12 0 0 1-12 12H68a12 12 0 0 1-12-12z",
    "M50 40h140v24H50z",
    (56, 118, 128, 104),
)
SHAPES = {"bottle": BOTTLE, "jar": JAR, "bag": BAG, "tin": TIN}


def drawing(shape: str, name: str, hue: int, seed: object = 0) -> str:
    """A page with nothing but the picture, 240 x 300."""
    body, lid, (x, y, width, height) = SHAPES[shape]
    chance = random.Random(str((name, seed)))
    middle, letters = x + width / 2, min(19, width * 1.7 / max(len(name), 6))
    # No two are the same bytes: that would look like a file that has moved.
    backdrop, turn = (hue + chance.randrange(150, 210)) % 360, chance.uniform(-3, 3)
    leaves = "".join(
        f'<ellipse cx="{middle + (i - 2) * 12}" cy="{y + height - 22 - (i % 2) * 7}" rx="5" ry="12" '
        f'fill="hsl({hue} 45% 45%)" transform="rotate({(i - 2) * 24} {middle} {y + height - 12})"/>'
        for i in range(5)
    )
    return f"""<!doctype html><style>body {{ margin: 0 }}</style>
<svg width="240" height="300" viewBox="0 0 240 300" font-family="serif" text-anchor="middle">
<defs>
<radialGradient id="b" cy=".35"><stop stop-color="hsl({backdrop} 45% 96%)"/>
<stop offset="1" stop-color="hsl({backdrop} 30% 84%)"/></radialGradient>
<linearGradient id="g"><stop stop-color="hsl({hue} 55% 34%)"/><stop offset=".3" stop-color="hsl({hue} 60% 52%)"/>
<stop offset="1" stop-color="hsl({hue} 60% 26%)"/></linearGradient>
</defs>
<rect width="240" height="300" fill="url(#b)"/>
<ellipse cx="120" cy="278" rx="86" ry="10" fill="hsl({backdrop} 20% 55% / .45)"/>
<g transform="rotate({turn} 120 270)"><path d="{body}" fill="url(#g)"/><path d="{lid}" fill="hsl({hue} 20% 22%)"/>
<rect x="{x}" y="{y}" width="{width}" height="{height}" fill="#fbf7ec"/>
<text x="{middle}" y="{y + 30}" font-size="{letters:.0f}" fill="#2c2a26">{name}</text>
<path d="M{middle - 18} {y + 40}h36" stroke="hsl({hue} 50% 40%)"/>{leaves}</g></svg>"""


class Studio:
    """Takes the pictures in a tab of its own."""

    def __init__(self, browser):
        self.context = browser.new_context(viewport={"width": 240, "height": 300})
        self.page = self.context.new_page()

    def jpeg(self, shape: str, name: str, hue: int, seed: object = 0) -> bytes:
        self.page.set_content(drawing(shape, name, hue, seed))
        return self.page.screenshot(type="jpeg", quality=80)

    def close(self) -> None:
        self.context.close()
