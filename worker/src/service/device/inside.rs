//! The device in a process of its own: the inside. It reads asks from standard input, one at a time, and ends with its
//! input; what ends its device ends it too, for the worker to start another one.

use std::io::{self, Read, Write};
use std::sync::Arc;

use models::Bundle;

use super::engine::{Engine as _, EngineError};
use super::local::{Local, OpenLocal, remember_panics};
use super::wire::{self, Answered, Asked, Memory};
use crate::cli::DeviceArg;

/// Serves until the worker is gone, or the device is.
pub fn serve(
    bundle: Arc<Bundle>,
    device: DeviceArg,
    asks: &mut impl Read,
    answers: &mut impl Write,
) -> io::Result<()> {
    remember_panics();
    let model_digest = bundle.digest().to_owned();
    let mut engine = match (OpenLocal { bundle, device }).local() {
        Ok(engine) => engine,
        Err(ending) => {
            let why = ending.why();
            let not_ready = Answered::NotReady(why.code.clone(), why.reason.clone(), why.next_step.clone());
            return wire::write(answers, &not_ready, &[]);
        }
    };
    let facts = engine.facts();
    let ready = Answered::Ready {
        description: facts.description.clone(),
        is_gpu: facts.is_gpu,
        model_digest,
        opened_ms: facts.opened_ms,
    };
    wire::write(answers, &ready, &[])?;
    while let Some((asked, values)) = wire::read::<Asked>(asks)? {
        if let Some(error) = answer(&mut engine, &asked, &values, answers)? {
            tracing::error!(%error, "the device failed; its process ends");
            return Ok(());
        }
    }
    Ok(())
}

/// Answers one ask; what ended the engine is returned.
fn answer(
    engine: &mut Local,
    asked: &Asked,
    values: &[f32],
    answers: &mut impl Write,
) -> io::Result<Option<EngineError>> {
    let error = match asked {
        Asked::Score(sizes) => match engine.score(&wire::pictures(sizes, values)?) {
            Ok(scores) => {
                wire::write(answers, &Answered::Scores(scores, memory(engine)), &[])?;
                return Ok(None);
            }
            Err(error) => error,
        },
        Asked::Saliency(size, label) => {
            let pictures = wire::pictures(std::slice::from_ref(size), values)?;
            let [picture] = pictures.as_slice() else { return Err(io::ErrorKind::InvalidData.into()) };
            match engine.saliency(picture, label) {
                Ok(map) => {
                    let answered = Answered::Map((map.width(), map.height()), memory(engine));
                    wire::write(answers, &answered, &[&map])?;
                    return Ok(None);
                }
                Err(error) => error,
            }
        }
    };
    let answered = match &error {
        EngineError::Score(refused) => Answered::Refused(refused.clone()),
        EngineError::OutOfMemory => Answered::OutOfMemory,
        EngineError::Hung { .. } | EngineError::Lost { .. } => Answered::Broken(error.to_string()),
    };
    wire::write(answers, &answered, &[])?;
    Ok(error.is_end_of_engine().then_some(error))
}

fn memory(engine: &Local) -> Memory {
    let facts = engine.facts();
    Memory { adapter_bytes: facts.adapter_bytes, resident_bytes: facts.resident_bytes }
}

#[cfg(test)]
mod tests {
    use models::GreyImage;

    use super::*;

    #[test]
    fn it_answers_what_the_networks_say_and_ends_with_its_input() {
        let bundle = Arc::new(Bundle::embedded().unwrap());
        let values = (0..64 * 64).map(|index| f32::from(u8::try_from(index % 64).unwrap()) / 64.0).collect();
        let picture = Arc::new(GreyImage::new(64, 64, values).unwrap());
        let label = bundle.model_card().labels[0].name.clone();
        let mut asks = Vec::new();
        wire::write(&mut asks, &Asked::Score(vec![(64, 64); 2]), &[&picture, &picture]).unwrap();
        wire::write(&mut asks, &Asked::Saliency((64, 64), label), &[&picture]).unwrap();
        wire::write(&mut asks, &Asked::Saliency((64, 64), "no such".into()), &[&picture]).unwrap();
        let mut answers = Vec::new();
        serve(Arc::clone(&bundle), DeviceArg::Cpu, &mut asks.as_slice(), &mut answers).unwrap();

        let mut answers = answers.as_slice();
        let mut next = || wire::read::<Answered>(&mut answers).unwrap();
        let Some((Answered::Ready { model_digest, is_gpu: false, .. }, _)) = next() else {
            panic!("not ready")
        };
        assert_eq!(model_digest, bundle.digest());
        let Some((Answered::Scores(scores, _), _)) = next() else { panic!("no scores") };
        let mut local = (OpenLocal { bundle, device: DeviceArg::Cpu }).local().unwrap();
        let alone = local.score(std::slice::from_ref(&picture)).unwrap();
        assert_eq!(scores, [alone[0].clone(), alone[0].clone()], "bit by bit");
        assert!(matches!(next(), Some((Answered::Map((64, 64), _), values)) if values.len() == 64 * 64));
        assert!(matches!(next(), Some((Answered::Refused(_), _))), "the device is well");
        assert!(next().is_none());
    }
}
