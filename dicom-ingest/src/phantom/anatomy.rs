//! The shapes of the phantom: how much a beam is weakened at a place of the picture.
//!
//! Coordinates run from -1 to 1, to the right and downwards; the patient's left is at the right, as on a
//! radiograph. Only sums, products and roots are used, so that a seed gives the same picture on every machine.

use rand::{Rng, RngExt};

/// A place in the picture.
#[derive(Debug, Clone, Copy)]
pub(super) struct Place {
    pub(super) x: f64,
    pub(super) y: f64,
}

/// The build of one phantom: small differences that the seed decides.
#[derive(Debug, Clone)]
pub(super) struct Build {
    chest_width: f64,
    heart_width: f64,
    diaphragm: f64,
    rib_offset: f64,
    vessels: Vec<Vessel>,
}

/// A vessel of the lung: a straight tapering piece.
#[derive(Debug, Clone, Copy)]
struct Vessel {
    from: Place,
    to: Place,
    width: f64,
}

/// Rises smoothly from 0 at `from` to 1 at `to`.
pub(super) fn rise(value: f64, from: f64, to: f64) -> f64 {
    let part = ((value - from) / (to - from)).clamp(0.0, 1.0);
    part * part * (3.0 - 2.0 * part)
}

/// 1 inside an ellipse, 0 outside, soft over `edge` (a part of the radius).
fn ellipse(place: Place, middle: (f64, f64), radii: (f64, f64), edge: f64) -> f64 {
    let (x, y) = ((place.x - middle.0) / radii.0, (place.y - middle.1) / radii.1);
    1.0 - rise((x * x + y * y).sqrt(), 1.0 - edge, 1.0 + edge)
}

/// 1 in the middle of a band of half-width `half`, with a brighter rim as a hollow bone has.
fn bone(distance: f64, half: f64) -> f64 {
    let inside = 1.0 - rise(distance.abs(), half * 0.75, half);
    let rim = 1.0 - rise((distance.abs() - half * 0.72).abs(), 0.0, half * 0.35);
    inside * 0.7 + rim * 0.45
}

impl Build {
    pub(super) fn new(random: &mut impl Rng) -> Self {
        let mut vary = |middle: f64, by: f64| middle + random.random_range(-by..by);
        let (chest_width, heart_width) = (vary(1.0, 0.04), vary(1.0, 0.08));
        let (diaphragm, rib_offset) = (vary(0.46, 0.04), vary(0.0, 0.02));
        let mut vessels = Vec::new();
        for side in [-1.0, 1.0] {
            for _ in 0..34 {
                let (dx, dy) = (vary(0.22, 0.2), vary(0.08, 0.5));
                let from = Place { x: side * vary(0.17, 0.03), y: vary(-0.04, 0.07) };
                let to = Place { x: from.x + side * dx.max(0.03), y: from.y + dy };
                vessels.push(Vessel { from, to, width: vary(0.0085, 0.004) });
            }
        }
        Self { chest_width, heart_width, diaphragm, rib_offset, vessels }
    }

    /// How strongly the beam is weakened at a place: 0 is air, about 1 is the densest.
    pub(super) fn density(&self, place: Place) -> f64 {
        let body = self.body(place);
        let lung = self.lung(place);
        let middle = Self::mediastinum(place).max(self.heart(place));
        let soft = body * (0.64 + middle * 0.1 + self.abdomen(place) * 0.12);
        let breast = ellipse(place, (-0.45, 0.3), (0.34, 0.26), 0.3).max(ellipse(
            place,
            (0.45, 0.3),
            (0.34, 0.26),
            0.3,
        ));
        let bones = self.ribs(place) * 0.085
            + Self::clavicles(place) * 0.1
            + Self::spine(place) * 0.06
            + Self::scapulae(place) * 0.045;
        // The lung weakens more where the chest is deep and where breast or muscle lie over it.
        let air = 0.40 - 0.05 * rise(place.y, -0.2, 0.5) - breast * 0.045 - 0.05 * rise(-place.y, 0.35, 0.8);
        soft - lung * (air - self.vessel_shadow(place) * 0.13) - Self::trachea(place) * 0.07
            + bones * body * (1.0 - 0.45 * middle)
    }

    /// How much of the place is lung that the beam passes, from 0 to 1.
    pub(super) fn lung(&self, place: Place) -> f64 {
        let x = place.x.abs() / self.chest_width;
        // From the apex the chest wall bends outwards as an ellipse does, and the inner border likewise.
        let depth = ((place.y + 0.80) / 1.30).clamp(0.0, 1.0);
        let inner_depth = ((place.y + 0.80) / 0.34).clamp(0.0, 1.0);
        let outer = 0.30 + 0.485 * (1.0 - (1.0 - depth) * (1.0 - depth)).sqrt();
        let inner = 0.30 - 0.215 * (1.0 - (1.0 - inner_depth) * (1.0 - inner_depth)).sqrt();
        let wall = 1.0 - rise(x, outer - 0.022, outer + 0.022);
        let inside = rise(x, inner - 0.03, inner + 0.03) * rise(place.y, -0.82, -0.76);
        // The dome of the diaphragm; the right one stands higher because of the liver.
        let dome = self.diaphragm + if place.x < 0.0 { 0.0 } else { 0.06 };
        let from_middle = x - 0.36;
        let floor = dome + from_middle * from_middle * 1.55;
        let above_floor = 1.0 - rise(place.y, floor - 0.014, floor + 0.014);
        let behind_heart = 1.0 - self.heart(place) * 0.88;
        wall * inside * above_floor * behind_heart * (1.0 - Self::mediastinum(place) * 0.95)
    }

    fn body(&self, place: Place) -> f64 {
        let neck = 0.27;
        let shoulders = rise(place.y, -0.98, -0.62);
        let half = neck + (0.98 * self.chest_width - neck) * shoulders.sqrt();
        let part = (place.x / half).abs().min(1.0);
        (1.0 - rise((place.x / half).abs(), 0.93, 1.01)) * (0.72 + 0.28 * (1.0 - part * part).sqrt())
    }

    fn heart(&self, place: Place) -> f64 {
        let left = ellipse(place, (0.10, 0.26), (0.27 * self.heart_width, 0.32), 0.09);
        let tilted = Place { x: place.x - 0.35 * (place.y - 0.3), y: place.y };
        let apex = ellipse(tilted, (0.17, 0.34), (0.28 * self.heart_width, 0.23), 0.10);
        let right = ellipse(place, (-0.03, 0.22), (0.165, 0.25), 0.10);
        // Two shapes meet without a notch: the more of both, the more heart.
        let union = |one: f64, other: f64| one + other - one * other;
        union(union(left, apex), right)
    }

    fn mediastinum(place: Place) -> f64 {
        let half = 0.10 + 0.06 * rise(place.y, -0.15, 0.25) + 0.04 * rise(-place.y, 0.5, 0.85);
        let column = 1.0 - rise((place.x - 0.01).abs(), half - 0.05, half + 0.035);
        let knob = ellipse(place, (0.085, -0.27), (0.085, 0.10), 0.22);
        let trunk = ellipse(place, (0.10, -0.10), (0.085, 0.12), 0.3);
        let hila = ellipse(place, (-0.17, 0.0), (0.075, 0.15), 0.7).max(ellipse(
            place,
            (0.19, -0.05),
            (0.075, 0.14),
            0.7,
        ));
        column.max(knob).max(trunk * 0.9).max(hila * 0.45)
    }

    fn abdomen(&self, place: Place) -> f64 {
        let stomach = ellipse(place, (0.4, self.diaphragm + 0.2), (0.12, 0.07), 0.2);
        rise(place.y, self.diaphragm - 0.05, self.diaphragm + 0.25) - stomach * 0.9
    }

    fn trachea(place: Place) -> f64 {
        let windpipe = (1.0 - rise(place.x.abs(), 0.03, 0.05)) * (1.0 - rise(place.y, -0.2, -0.12));
        let slope = (place.x.abs() - (place.y + 0.17) * 0.75).abs();
        let bronchi =
            (1.0 - rise(slope, 0.02, 0.04)) * rise(place.y, -0.18, -0.14) * (1.0 - rise(place.y, 0.0, 0.06));
        windpipe.max(bronchi * 0.7)
    }

    fn spine(place: Place) -> f64 {
        let column = 1.0 - rise(place.x.abs(), 0.06, 0.10);
        let height = 0.118;
        let in_vertebra = ((place.y + 2.0) / height).fract();
        let disc = 1.0 - rise((in_vertebra - 0.5).abs(), 0.36, 0.47);
        let pedicle = ellipse(Place { x: place.x.abs(), y: in_vertebra }, (0.055, 0.35), (0.014, 0.16), 0.4);
        let seen = 0.45 + 0.55 * rise(place.y, 0.1, 0.7);
        (column * (0.45 + 0.35 * disc) + pedicle * 0.35) * seen
    }

    /// Shoulder blades, turned out of most of the lung as for a PA view.
    fn scapulae(place: Place) -> f64 {
        let x = place.x.abs();
        let inner = 0.66 + 0.25 * (place.y + 0.5) * (place.y + 0.5);
        let blade = rise(x, inner - 0.02, inner + 0.02) * (1.0 - rise(x, 0.84, 0.96));
        blade * rise(place.y, -0.62, -0.5) * (1.0 - rise(place.y, -0.15, 0.08))
    }

    fn clavicles(place: Place) -> f64 {
        let x = place.x.abs();
        let bow = 0.05 * (x - 0.35) * (x - 0.75) * 4.0;
        let line = -0.60 - 0.24 * (x - 0.08) + bow;
        let ends = rise(x, 0.06, 0.09) * (1.0 - rise(x, 0.74, 0.82));
        bone((place.y - line) * 0.95, 0.033) * ends
    }

    /// Ten pairs: behind, nearly level and falling outwards; in front, steep and falling inwards.
    fn ribs(&self, place: Place) -> f64 {
        let x = (place.x / self.chest_width).abs();
        let mut shadow: f64 = 0.0;
        for rib in 0..10 {
            let rib = f64::from(rib);
            let cage = 0.42 + 0.36 * rise(rib, 0.0, 6.0);
            let inside = 1.0 - rise(x, cage - 0.03, cage + 0.01);
            if inside <= 0.0 {
                continue;
            }
            let top = -0.74 + 0.125 * rib + self.rib_offset;
            let out = (x - 0.1).max(0.0) / (cage - 0.1);
            let behind = top - 0.07 * out * (1.0 - out) * 4.0 + (0.05 + 0.02 * rib) * out * out;
            let slope = 0.15 + 0.3 * out;
            let behind = bone((place.y - behind) / (1.0 + slope * slope).sqrt(), 0.026) * rise(x, 0.08, 0.12);
            let front_line = top + 0.2 + (0.30 + 0.012 * rib) * (1.0 - out) - 0.14;
            let front = bone((place.y - front_line) * 0.86, 0.026)
                * rise(x, 0.24, 0.36)
                * (1.0 - rise(rib, 5.0, 7.5));
            shadow =
                shadow.max(behind * inside).max(front * inside * 0.62) + (behind.min(front)) * inside * 0.25;
        }
        shadow * (1.0 - rise(place.y, 0.55, 0.75))
    }

    fn vessel_shadow(&self, place: Place) -> f64 {
        let mut shadow: f64 = 0.0;
        for Vessel { from, to, width } in &self.vessels {
            let (dx, dy) = (to.x - from.x, to.y - from.y);
            let (px, py) = (place.x - from.x, place.y - from.y);
            let along = (px * dx + py * dy) / (dx * dx + dy * dy);
            if !(0.0..=1.0).contains(&along) {
                continue;
            }
            let (qx, qy) = (px - along * dx, py - along * dy);
            let half = width * (1.15 - along);
            let distance = (qx * qx + qy * qy).sqrt();
            shadow = shadow.max((1.0 - rise(distance, half * 0.4, half * 1.5)) * (1.0 - 0.75 * along));
        }
        shadow
    }
}
