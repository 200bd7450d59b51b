//! From the planes of a series to ordered, evenly spaced slices, or to the reason why they are none.

use std::collections::BTreeSet;

use super::Grid;
use crate::instance::Instance;
use crate::plane::{Plane, Vector, cross, dot, scaled, sum};
use crate::refusal::{Refusal, RefusalCode};

/// Part of the step by which a slice may be off its place: tables move and writers round.
const STEP_TOLERANCE: f64 = 0.02;
/// Distance in mm below which positions are the same, whatever the step.
const SAME_PLACE_MM: f64 = 0.01;
/// Part by which a stated step may differ from the measured one before it is said.
const STATED_TOLERANCE: f64 = 0.02;
/// Angle in degrees between step and normal from which the slices are called tilted.
const TILT_DEGREES: f64 = 0.1;
/// Greatest tilt in degrees: gantries tilt by 30; beyond it the positions are those of something else.
const MOST_TILT_DEGREES: f64 = 45.0;
/// Difference of spacings or directions of one and the same series: what writers round.
const ROUNDING: f64 = 1e-4;

/// The instances of one series, in any order.
pub type Series<'a> = [&'a Instance];

/// A frame of a series.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Member {
    /// Index of the instance in the series.
    pub instance: usize,
    /// Index of the frame in the instance.
    pub frame: usize,
}

/// A frame that is no slice of the volume, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LeftOut {
    /// The frame.
    pub member: Member,
    /// Why, for people.
    pub reason: &'static str,
}

/// Which frames become which slices.
#[derive(Debug, Clone, PartialEq)]
pub struct Plan {
    /// Where the voxels lie.
    pub grid: Grid,
    /// The frame of each slice, along the normal of the planes.
    pub members: Vec<Member>,
    /// Frames of the series that are no slices.
    pub left_out: Vec<LeftOut>,
    /// Angle in degrees between the step and the normal, where the gantry was tilted.
    pub tilt_degrees: Option<f64>,
    /// What was odd but harmless, for people; no patient data.
    pub warnings: Vec<String>,
    by_member: Vec<(Member, usize)>,
}

/// A slice with all that is needed.
struct Slice {
    member: Member,
    position: Vector,
    directions: [Vector; 2],
    spacing: [f64; 2],
    size: [usize; 2],
    along: f64,
}

impl Plan {
    /// Plans the volume of a series. Localizers are left out; everything else has to be a slice.
    ///
    /// Refused are a series without two slices, without Pixel Spacing, position or orientation ([`RefusalCode::NoSpacing`],
    /// [`RefusalCode::NoGeometry`]), of more than one patient coordinate system, unit, size, spacing or orientation
    /// ([`RefusalCode::MixedSeries`]), and with gaps, with several slices at one place or unevenly spaced
    /// ([`RefusalCode::IncompleteSeries`]).
    pub fn new(series: &Series<'_>) -> Result<Self, Refusal> {
        let (mut slices, left_out) = slices(series)?;
        let frames: BTreeSet<_> = slices
            .iter()
            .filter_map(|slice| series.get(slice.member.instance)?.frame_of_reference_uid.as_ref())
            .collect();
        if frames.len() > 1 {
            return Err(mixed("its slices are of more than one frame of reference"));
        }
        let units: BTreeSet<_> = slices
            .iter()
            .filter_map(|Slice { member, .. }| series.get(member.instance)?.planes.get(member.frame))
            .map(|plane| plane.unit.as_deref())
            .collect();
        if units.len() > 1 {
            return Err(mixed("its values are of more than one unit"));
        }
        let [first, _, ..] = slices.as_slice() else {
            let message = format!("a volume needs two slices, the series has {}", slices.len());
            return Err(incomplete(message));
        };
        let first = (first.directions, first.spacing, first.size);
        check_alike(&slices, first)?;
        let ([row, column], spacing, size) = first;
        let normal = cross(row, column);
        for slice in &mut slices {
            slice.along = dot(slice.position, normal);
        }
        slices.sort_by(|one, other| one.along.total_cmp(&other.along).then(one.member.cmp(&other.member)));
        check_places(&slices)?;
        let step_mm = step_mm(&slices)?;
        let slice_step = slice_step(&slices, normal)?;
        let tilt = (dot(slice_step, normal) / dot(slice_step, slice_step).sqrt()).clamp(-1.0, 1.0);
        let tilt = tilt.acos().to_degrees();
        if tilt > MOST_TILT_DEGREES {
            return Err(mixed("its slices lie beside each other and not behind each other"));
        }
        let grid = Grid {
            size: [slices.len(), size[0], size[1]],
            spacing: [step_mm, spacing[0], spacing[1]],
            origin: slices[0].position,
            slice_step,
            // A row is one step along a column, and the other way round.
            row_direction: column,
            column_direction: row,
        };
        let members: Vec<Member> = slices.iter().map(|slice| slice.member).collect();
        let mut by_member: Vec<_> =
            members.iter().enumerate().map(|(slice, member)| (*member, slice)).collect();
        by_member.sort_unstable();
        let tilt_degrees = (tilt >= TILT_DEGREES).then_some(tilt);
        let warnings = warnings(series, &members, step_mm, tilt_degrees);
        Ok(Self { grid, members, left_out, tilt_degrees, warnings, by_member })
    }

    /// The instances that hold slices, by their index in the series, each once, in the order of their first slices.
    pub fn instances(&self) -> Vec<usize> {
        let mut seen = BTreeSet::new();
        let instances = self.members.iter().map(|member| member.instance);
        instances.filter(|instance| seen.insert(*instance)).collect()
    }

    /// A slice of each of as many instances as the grid has slices.
    #[cfg(test)]
    pub(super) fn of_instances(grid: Grid) -> Self {
        let members: Vec<Member> = (0..grid.size[0]).map(|instance| Member { instance, frame: 0 }).collect();
        let by_member = members.iter().copied().zip(0..).collect();
        Self { grid, members, left_out: Vec::new(), tilt_degrees: None, warnings: Vec::new(), by_member }
    }

    /// The slice that a frame becomes; `None` for one that was left out.
    pub fn slice_of(&self, instance: usize, frame: usize) -> Option<usize> {
        let member = Member { instance, frame };
        let found = self.by_member.binary_search_by_key(&member, |(member, _)| *member).ok()?;
        self.by_member.get(found).map(|(_, slice)| *slice)
    }
}

/// The frames that are slices, and those that are none.
fn slices(series: &Series<'_>) -> Result<(Vec<Slice>, Vec<LeftOut>), Refusal> {
    let mut slices = Vec::new();
    let mut left_out = Vec::new();
    for (instance, facts) in series.iter().enumerate() {
        let Some(pixels) = &facts.pixels else {
            let member = Member { instance, frame: 0 };
            left_out.push(LeftOut { member, reason: "the instance holds no image" });
            continue;
        };
        for (frame, plane) in facts.planes.iter().enumerate() {
            let member = Member { instance, frame };
            if plane.localizer {
                left_out.push(LeftOut { member, reason: "the image is a localizer" });
                continue;
            }
            let size = [pixels.rows as usize, pixels.columns as usize];
            slices.push(slice(member, plane, size)?);
        }
    }
    Ok((slices, left_out))
}

fn slice(member: Member, plane: &Plane, size: [usize; 2]) -> Result<Slice, Refusal> {
    let geometry = |what: &str| {
        Refusal::new(RefusalCode::NoGeometry, format!("{what} is absent or not usable; it is never guessed"))
    };
    Ok(Slice {
        member,
        position: plane.position.ok_or_else(|| geometry("ImagePositionPatient (0020,0032)"))?,
        directions: plane.directions.ok_or_else(|| geometry("ImageOrientationPatient (0020,0037)"))?,
        spacing: plane.spacing.ok_or_else(|| {
            Refusal::new(
                RefusalCode::NoSpacing,
                "PixelSpacing (0028,0030) is absent or not positive; sizes are never guessed",
            )
        })?,
        size,
        along: 0.0,
    })
}

/// Refuses slices of several orientations, spacings or sizes.
fn check_alike(slices: &[Slice], first: ([Vector; 2], [f64; 2], [usize; 2])) -> Result<(), Refusal> {
    let (directions, spacing, size) = first;
    for slice in slices {
        let parallel = slice
            .directions
            .iter()
            .zip(directions)
            .all(|(ours, theirs)| (dot(*ours, theirs) - 1.0).abs() <= ROUNDING);
        if !parallel {
            return Err(mixed("its slices have more than one orientation"));
        }
        if slice.size != size {
            return Err(mixed("its slices have more than one size"));
        }
        let alike = slice.spacing.iter().zip(spacing).all(|(ours, theirs)| near(*ours, theirs, ROUNDING));
        if !alike {
            return Err(mixed("PixelSpacing (0028,0030) differs between its slices"));
        }
    }
    Ok(())
}

/// Refuses several slices at one place.
fn check_places(slices: &[Slice]) -> Result<(), Refusal> {
    let places = 1 + slices.windows(2).filter(|pair| pair[1].along - pair[0].along > SAME_PLACE_MM).count();
    if places < slices.len() {
        return Err(incomplete(format!(
            "{} slices lie at {places} places: a slice is there twice, or the series holds several acquisitions, such as \
             echoes, phases or b-values",
            slices.len()
        )));
    }
    Ok(())
}

/// The measured distance along the normal; all have to be the same.
fn step_mm(slices: &[Slice]) -> Result<f64, Refusal> {
    let mut steps: Vec<f64> = slices.windows(2).map(|pair| pair[1].along - pair[0].along).collect();
    let mut sorted = steps.clone();
    sorted.sort_by(f64::total_cmp);
    let median = sorted[sorted.len() / 2];
    let even = |step: f64| (step - median).abs() <= (median * STEP_TOLERANCE).max(SAME_PLACE_MM);
    let odd = steps.iter().filter(|step| !even(**step)).count();
    if let Some(at) = steps.iter().position(|step| !even(*step)) {
        let step = steps.swap_remove(at);
        let times = step / median;
        let whole = times >= 1.5 && (times - times.round()).abs() <= times * STEP_TOLERANCE;
        return Err(incomplete(if whole {
            format!(
                "{} slices are missing after slice {} of {} ({odd} gaps)",
                times.round() - 1.0,
                at + 1,
                slices.len()
            )
        } else {
            format!(
                "the slices are not evenly spaced: {step:.3} mm after slice {}, {median:.3} mm elsewhere",
                at + 1
            )
        }));
    }
    // The mean of even steps is better than any one of them.
    let last = slices.len() - 1;
    Ok((slices[last].along - slices[0].along) / last as f64)
}

/// From a slice to the next one: the mean, when all slices lie on one line.
fn slice_step(slices: &[Slice], normal: Vector) -> Result<Vector, Refusal> {
    let last = slices.len() - 1;
    let origin = slices[0].position;
    let step = scaled(sum(slices[last].position, scaled(origin, -1.0)), 1.0 / last as f64);
    let length = dot(step, normal);
    for (index, slice) in slices.iter().enumerate() {
        let expected = sum(origin, scaled(step, index as f64));
        let off = sum(slice.position, scaled(expected, -1.0));
        if dot(off, off).sqrt() > (length * STEP_TOLERANCE).max(SAME_PLACE_MM) * 2.0 {
            return Err(mixed("its slices do not lie behind each other on one line"));
        }
    }
    Ok(step)
}

fn warnings(series: &Series<'_>, members: &[Member], step_mm: f64, tilt: Option<f64>) -> Vec<String> {
    let mut warnings = Vec::new();
    let plane = |member: &Member| series.get(member.instance)?.planes.get(member.frame);
    let differs =
        |plane: &&Plane| plane.stated_step.is_some_and(|stated| !near(stated, step_mm, STATED_TOLERANCE));
    if let Some(plane) = members.iter().filter_map(plane).find(differs) {
        warnings.push(format!(
            "SpacingBetweenSlices (0018,0088) states {} mm where {step_mm:.3} mm are measured; the measured ones are used",
            plane.stated_step.unwrap_or_default()
        ));
    }
    if let Some(degrees) = tilt {
        warnings.push(format!("the gantry was tilted by {degrees:.1} degrees"));
    }
    warnings
}

fn near(one: f64, other: f64, part: f64) -> bool {
    (one - other).abs() <= part * other.abs()
}

fn incomplete(message: String) -> Refusal {
    Refusal::new(RefusalCode::IncompleteSeries, message)
}

fn mixed(what: &str) -> Refusal {
    Refusal::new(RefusalCode::MixedSeries, format!("the series is no volume: {what}"))
}
