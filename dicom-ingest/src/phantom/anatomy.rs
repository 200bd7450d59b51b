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
        let soft = body * 0.66 + self.mediastinum(place) * 0.12 * body + self.abdomen(place) * 0.13 * body;
        let breast = ellipse(place, (-0.45, 0.28), (0.33, 0.24), 0.25).max(ellipse(
            place,
            (0.45, 0.28),
            (0.33, 0.24),
            0.25,
        ));
        let bones =
            (self.ribs(place) * 0.07 + Self::clavicles(place) * 0.1 + Self::spine(place) * 0.09) * body;
        soft - lung * (0.47 - self.vessel_shadow(place) * 0.13 - breast * 0.03) - Self::trachea(place) * 0.1
            + bones
    }

    /// How much of the place is lung that the beam passes, from 0 to 1.
    pub(super) fn lung(&self, place: Place) -> f64 {
        let x = place.x / self.chest_width;
        let side = if x < 0.0 { -1.0 } else { 1.0 };
        // The dome of the diaphragm; the right one stands higher because of the liver.
        let dome = self.diaphragm + if side < 0.0 { 0.0 } else { 0.06 };
        let from_middle = x.abs() - 0.36;
        let floor = dome + from_middle * from_middle * 1.5;
        let chest = ellipse(Place { x: x.abs(), y: place.y }, (0.40, -0.02), (0.335, 0.74), 0.05);
        let apex = ellipse(Place { x: x.abs(), y: place.y }, (0.33, -0.42), (0.26, 0.37), 0.06);
        let lower = ellipse(Place { x: x.abs(), y: place.y }, (0.44, 0.16), (0.335, 0.56), 0.05);
        let shape = apex.max(lower).max(chest * rise(place.y, -0.5, -0.2));
        let above_floor = 1.0 - rise(place.y, floor - 0.012, floor + 0.012);
        shape * above_floor * (1.0 - self.heart(place)) * (1.0 - self.mediastinum(place))
    }

    fn body(&self, place: Place) -> f64 {
        let neck = 0.27;
        let shoulders = rise(place.y, -0.98, -0.62);
        let half = neck + (0.98 * self.chest_width - neck) * shoulders.sqrt();
        let part = (place.x / half).abs().min(1.0);
        (1.0 - rise((place.x / half).abs(), 0.93, 1.01)) * (0.72 + 0.28 * (1.0 - part * part).sqrt())
    }

    fn heart(&self, place: Place) -> f64 {
        let left = ellipse(place, (0.13, 0.27), (0.30 * self.heart_width, 0.30), 0.06);
        let tilted = Place { x: place.x - 0.25 * (place.y - 0.3), y: place.y };
        let apex = ellipse(tilted, (0.19, 0.32), (0.27 * self.heart_width, 0.2), 0.07);
        let right = ellipse(place, (-0.05, 0.24), (0.17, 0.25), 0.07);
        left.max(apex).max(right)
    }

    fn mediastinum(&self, place: Place) -> f64 {
        let half = 0.105 + 0.05 * rise(place.y, -0.1, 0.3) + 0.05 * rise(-place.y, 0.55, 0.9);
        let column = 1.0 - rise((place.x - 0.01).abs(), half - 0.03, half + 0.02);
        let knob = ellipse(place, (0.115, -0.26), (0.085, 0.09), 0.12);
        let hila = ellipse(place, (-0.17, -0.01), (0.07, 0.13), 0.5).max(ellipse(
            place,
            (0.18, -0.05),
            (0.07, 0.12),
            0.5,
        ));
        column.max(knob).max(hila * 0.55).max(self.heart(place) * 0.9)
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
        let column = 1.0 - rise(place.x.abs(), 0.075, 0.095);
        let height = 0.118;
        let in_vertebra = ((place.y + 2.0) / height).fract();
        let disc = 1.0 - rise((in_vertebra - 0.5).abs(), 0.38, 0.46);
        let pedicle = ellipse(Place { x: place.x.abs(), y: in_vertebra }, (0.055, 0.35), (0.014, 0.16), 0.3);
        column * (0.55 + 0.3 * disc) + pedicle * 0.35
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
