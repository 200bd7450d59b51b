//! Drawn pictures of what is no frontal chest radiograph: a lateral view, an axial
//! slice, a limb, clouds. Crude on purpose: only layout and contrast matter at the
//! frontal networks' size.

use rand::RngExt;
use rand_chacha::ChaCha8Rng;

use crate::image::GreyImage;

/// A canvas with coordinates -1 to 1 on both axes, y downwards.
struct Canvas {
    side: usize,
    pixels: Vec<f32>,
}

/// An ellipse with a soft edge.
#[derive(Clone, Copy)]
struct Ellipse {
    x: f32,
    y: f32,
    width: f32,
    height: f32,
    angle: f32,
    softness: f32,
}

impl Canvas {
    fn new(side: usize, value: f32) -> Self {
        Self { side, pixels: vec![value; side * side] }
    }

    /// Mixes each pixel with `value` by the share that `cover` gives for its place.
    fn paint(&mut self, value: f32, cover: impl Fn(f32, f32) -> f32) {
        let scale = 2.0 / self.side as f32;
        for (index, pixel) in self.pixels.iter_mut().enumerate() {
            let x = ((index % self.side) as f32 + 0.5) * scale - 1.0;
            let y = ((index / self.side) as f32 + 0.5) * scale - 1.0;
            let share = cover(x, y).clamp(0.0, 1.0);
            *pixel += (value - *pixel) * share;
        }
    }

    fn ellipse(&mut self, value: f32, opacity: f32, ellipse: Ellipse) {
        let (sin, cos) = ellipse.angle.sin_cos();
        self.paint(value, |x, y| {
            let (dx, dy) = (x - ellipse.x, y - ellipse.y);
            let (u, v) = ((cos * dx + sin * dy) / ellipse.width, (cos * dy - sin * dx) / ellipse.height);
            opacity * ((1.0 - u.hypot(v)) / ellipse.softness + 0.5)
        });
    }

    /// A few soft waves over everything, as ribs, folds and scatter would give.
    fn waves(&mut self, strength: f32, rng: &mut ChaCha8Rng) {
        for _ in 0..6 {
            let (fx, fy) = (rng.random_range(-14.0_f32..14.0), rng.random_range(-14.0_f32..14.0));
            let phase = rng.random_range(0.0_f32..6.3);
            let height = strength * rng.random_range(0.2_f32..1.0);
            let scale = 2.0 / self.side as f32;
            for (index, pixel) in self.pixels.iter_mut().enumerate() {
                let (x, y) = ((index % self.side) as f32 * scale, (index / self.side) as f32 * scale);
                *pixel += height * (fx * x + fy * y + phase).sin();
            }
        }
    }

    fn image(self) -> GreyImage {
        GreyImage::clamped(self.side, self.side, self.pixels)
    }
}

/// A lateral chest: one lung field, the spine on one side, the heart towards the other.
pub(crate) fn lateral(side: usize, rng: &mut ChaCha8Rng) -> GreyImage {
    let facing = if rng.random_bool(0.5) { 1.0 } else { -1.0 };
    let soft = |rng: &mut ChaCha8Rng| rng.random_range(0.15_f32..0.5);
    let mut canvas = Canvas::new(side, rng.random_range(0.0_f32..0.25));
    let tissue = rng.random_range(0.5_f32..0.75);
    let trunk = Ellipse {
        x: rng.random_range(-0.1_f32..0.1),
        y: 0.1,
        width: rng.random_range(0.7_f32..1.05),
        height: 1.25,
        angle: 0.0,
        softness: soft(rng),
    };
    canvas.ellipse(tissue, 1.0, trunk);
    let lung = Ellipse {
        x: -0.05 * facing,
        y: rng.random_range(-0.25_f32..-0.05),
        width: rng.random_range(0.45_f32..0.65),
        height: rng.random_range(0.65_f32..0.85),
        angle: facing * rng.random_range(-0.35_f32..0.1),
        softness: soft(rng),
    };
    canvas.ellipse(rng.random_range(0.15_f32..0.35), 0.9, lung);
    let heart = Ellipse {
        x: facing * rng.random_range(0.15_f32..0.35),
        y: rng.random_range(0.1_f32..0.3),
        width: rng.random_range(0.22_f32..0.36),
        height: rng.random_range(0.25_f32..0.4),
        angle: facing * rng.random_range(0.2_f32..0.8),
        softness: soft(rng),
    };
    canvas.ellipse(tissue, 0.85, heart);
    let (spine, lean) =
        (-facing * rng.random_range(0.35_f32..0.6), rng.random_range(-0.15_f32..0.25) * facing);
    let spine_value = rng.random_range(0.55_f32..0.85);
    canvas.paint(spine_value, |x, y| {
        let bodies = 0.8 + 0.2 * (y * 16.0).sin();
        0.75 * bodies * (1.0 - ((x - spine - lean * y * y) / 0.16).powi(2)).max(0.0)
    });
    let dome = rng.random_range(0.35_f32..0.6);
    canvas.paint(tissue + 0.1, |x, y| (y - dome + 0.25 * x * facing) * 5.0);
    let shoulder = rng.random_range(-0.85_f32..-0.65);
    canvas.paint(tissue, |_, y| 0.8 * (shoulder - y) * 5.0);
    canvas.waves(0.02, rng);
    canvas.image()
}

/// An axial slice: an oval body on black, with two lungs, heart and spine, or plain inside.
pub(crate) fn axial(side: usize, rng: &mut ChaCha8Rng) -> GreyImage {
    let mut canvas = Canvas::new(side, rng.random_range(0.0_f32..0.1));
    let (width, height) = (rng.random_range(0.65_f32..0.95), rng.random_range(0.45_f32..0.8));
    let body = Ellipse { x: 0.0, y: 0.0, width, height, angle: 0.0, softness: 0.1 };
    canvas.ellipse(rng.random_range(0.4_f32..0.8), 1.0, body);
    if rng.random_bool(0.7) {
        let dark = rng.random_range(0.0_f32..0.3);
        for sign in [-1.0, 1.0] {
            let lung = Ellipse {
                x: sign * width * rng.random_range(0.4_f32..0.52),
                y: rng.random_range(-0.08_f32..0.08),
                width: width * rng.random_range(0.28_f32..0.4),
                height: height * rng.random_range(0.5_f32..0.75),
                angle: sign * rng.random_range(-0.3_f32..0.3),
                softness: 0.15,
            };
            canvas.ellipse(dark, 1.0, lung);
        }
    }
    for _ in 0..rng.random_range(1..6_u8) {
        let organ = Ellipse {
            x: rng.random_range(-0.6_f32..0.6) * width,
            y: rng.random_range(-0.6_f32..0.6) * height,
            width: rng.random_range(0.08_f32..0.3),
            height: rng.random_range(0.08_f32..0.3),
            angle: rng.random_range(0.0_f32..3.0),
            softness: 0.3,
        };
        canvas.ellipse(rng.random_range(0.3_f32..1.0), 0.8, organ);
    }
    let spine = Ellipse { x: 0.0, y: height * 0.7, width: 0.14, height: 0.13, angle: 0.0, softness: 0.3 };
    canvas.ellipse(rng.random_range(0.7_f32..1.0), 1.0, spine);
    canvas.waves(0.015, rng);
    canvas.image()
}

/// One to five long bones in soft tissue on a dark ground, at any angle.
pub(crate) fn limb(side: usize, rng: &mut ChaCha8Rng) -> GreyImage {
    let mut canvas = Canvas::new(side, rng.random_range(0.0_f32..0.2));
    let bones = rng.random_range(1..6_u8);
    let angle = rng.random_range(-1.6_f32..1.6);
    let (tissue, bone) = (rng.random_range(0.25_f32..0.6), rng.random_range(0.65_f32..1.0));
    let step = 1.5 / f32::from(bones);
    for number in 0..bones {
        let offset =
            (f32::from(number) - f32::from(bones - 1) / 2.0) * step + rng.random_range(-0.08_f32..0.08);
        let fan = angle + rng.random_range(-0.15_f32..0.15);
        let (x, y) = (offset * angle.cos(), offset * angle.sin());
        let width = step * rng.random_range(0.35_f32..0.6);
        let flesh = Ellipse { x, y, width, height: 1.4, angle: fan, softness: 0.2 };
        canvas.ellipse(tissue, 1.0, flesh);
        let core = Ellipse { x, y, width: width * 0.5, height: 1.2, angle: fan, softness: 0.3 };
        canvas.ellipse(bone, 0.9, core);
        let joint = rng.random_range(-0.6_f32..0.6);
        let (jx, jy) = (x - joint * fan.sin(), y + joint * fan.cos());
        let gap = Ellipse { x: jx, y: jy, width: width * 0.7, height: 0.03, angle: fan, softness: 0.8 };
        canvas.ellipse(tissue * 0.8, 0.8, gap);
    }
    canvas.waves(0.02, rng);
    canvas.image()
}

/// A gradient with blobs and waves, or plain noise.
pub(crate) fn clouds(side: usize, rng: &mut ChaCha8Rng) -> GreyImage {
    let mut canvas = Canvas::new(side, rng.random::<f32>());
    let (gx, gy) = (rng.random_range(-0.5_f32..0.5), rng.random_range(-0.5_f32..0.5));
    let value = rng.random::<f32>();
    canvas.paint(value, |x, y| 0.5 + gx * x + gy * y);
    for _ in 0..rng.random_range(0..12_u8) {
        let blob = Ellipse {
            x: rng.random_range(-1.0_f32..1.0),
            y: rng.random_range(-1.0_f32..1.0),
            width: rng.random_range(0.05_f32..0.7),
            height: rng.random_range(0.05_f32..0.7),
            angle: rng.random_range(0.0_f32..3.0),
            softness: rng.random_range(0.05_f32..1.0),
        };
        canvas.ellipse(rng.random::<f32>(), rng.random_range(0.2_f32..1.0), blob);
    }
    let strength = rng.random_range(0.0_f32..0.12);
    canvas.waves(strength, rng);
    let noise = if rng.random_bool(0.3) { rng.random_range(0.1_f32..1.0) } else { 0.02 };
    for pixel in &mut canvas.pixels {
        *pixel += noise * (rng.random::<f32>() - 0.5);
    }
    canvas.image()
}
