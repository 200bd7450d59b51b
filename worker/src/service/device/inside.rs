//! The device in a process of its own: the inside. It reads asks from standard input, one at a time, and ends with its
//! input; what ends its device ends it too, for the worker to start another one.

use std::io::{self, Read, Write};

use super::contained::remember_panics;
use super::engine::{Engine as _, EngineError};
use super::local::{Local, OpenLocal};
use super::wire::{self, Answered, Asked, Held};
use crate::cli::DeviceArg;

/// Serves until the worker is gone, or the device is. The first ask says what is to be held.
pub fn serve(device: DeviceArg, asks: &mut impl Read, answers: &mut impl Write) -> io::Result<()> {
    remember_panics();
    let opening = match wire::read::<Asked>(asks)? {
        None => return Ok(()),
        Some((Asked::Open(opening), _)) => opening,
        Some(_) => return Err(io::Error::new(io::ErrorKind::InvalidData, "the first ask opens nothing")),
    };
    let mut engine = match (OpenLocal { opening, device }).local() {
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

/// Answers one ask, if it has an answer; what ended the engine is returned.
fn answer(
    engine: &mut Local,
    asked: &Asked,
    values: &[f32],
    answers: &mut impl Write,
) -> io::Result<Option<EngineError>> {
    let answered = match asked {
        Asked::Open(_) => return Err(io::Error::new(io::ErrorKind::InvalidData, "it is open already")),
        Asked::Load(model, if_it_fits) => {
            engine.load(*model, *if_it_fits).map(|()| (Answered::Loaded(held(engine)), None))
        }
        Asked::Begin(model, sizes) => {
            engine.begin(*model, &wire::pictures(sizes, values)?);
            return Ok(None);
        }
        Asked::Finish => engine.finish().map(|scores| (Answered::Scores(scores, held(engine)), None)),
        Asked::Saliency(model, size, label) => {
            let pictures = wire::pictures(std::slice::from_ref(size), values)?;
            let [picture] = pictures.as_slice() else { return Err(io::ErrorKind::InvalidData.into()) };
            engine
                .saliency(*model, picture, label)
                .map(|map| (Answered::Map((map.width(), map.height()), held(engine)), Some(map)))
        }
    };
    let error = match answered {
        Ok((answered, map)) => {
            wire::write(answers, &answered, &map.iter().collect::<Vec<_>>())?;
            return Ok(None);
        }
        Err(error) => error,
    };
    let answered = match &error {
        EngineError::Score(refused) => Answered::Refused(refused.clone()),
        EngineError::Model { code, reason, next_step } => {
            Answered::NotLoaded(code.clone(), reason.clone(), next_step.clone(), held(engine))
        }
        EngineError::OutOfMemory => Answered::OutOfMemory,
        EngineError::TooLarge | EngineError::Hung { .. } | EngineError::Lost { .. } => {
            Answered::Broken(error.to_string())
        }
    };
    wire::write(answers, &answered, &[])?;
    Ok(error.is_end_of_engine().then_some(error))
}

fn held(engine: &Local) -> Held {
    let facts = engine.facts();
    Held {
        adapter_bytes: facts.adapter_bytes,
        resident_bytes: facts.resident_bytes,
        models: facts.models.clone(),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use models::{Bundle, GreyImage};

    use super::super::opening::Opening;
    use super::*;
    use crate::config::Config;
    use crate::model::{BUILT_IN, ModelNumber};

    #[test]
    fn it_answers_what_the_networks_say_and_ends_with_its_input() {
        let opening = Opening::built_in(&Config::load(None, None).unwrap()).unwrap();
        let bundle = Bundle::embedded().unwrap();
        let values = (0..64 * 64).map(|index| f32::from(u8::try_from(index % 64).unwrap()) / 64.0).collect();
        let picture = Arc::new(GreyImage::new(64, 64, values).unwrap());
        let label = bundle.model_card().labels[0].name.clone();
        let mut asks = Vec::new();
        let mut ask =
            |asked: &Asked, pictures: &[&GreyImage]| wire::write(&mut asks, asked, pictures).unwrap();
        ask(&Asked::Open(opening.clone()), &[]);
        ask(&Asked::Load(BUILT_IN, false), &[]);
        // the second is begun before the first is asked for; what comes of one that cannot be is said in its turn
        ask(&Asked::Begin(BUILT_IN, vec![(64, 64); 2]), &[&picture, &picture]);
        ask(&Asked::Begin(ModelNumber(1), vec![(64, 64)]), &[&picture]);
        ask(&Asked::Finish, &[]);
        ask(&Asked::Begin(BUILT_IN, vec![(64, 64)]), &[&picture]);
        ask(&Asked::Finish, &[]);
        ask(&Asked::Finish, &[]);
        ask(&Asked::Saliency(BUILT_IN, (64, 64), label), &[&picture]);
        ask(&Asked::Saliency(BUILT_IN, (64, 64), "no such".into()), &[&picture]);
        ask(&Asked::Load(ModelNumber(1), false), &[]);
        let mut answers = Vec::new();
        serve(DeviceArg::Cpu, &mut asks.as_slice(), &mut answers).unwrap();

        let mut answers = answers.as_slice();
        let mut next = || wire::read::<Answered>(&mut answers).unwrap();
        assert!(matches!(next(), Some((Answered::Ready { is_gpu: false, .. }, _))));
        let Some((Answered::Loaded(held), _)) = next() else { panic!("not loaded") };
        assert!(held.models[0].is_resident && held.models[0].loads == 1 && held.models[0].load_ms > 0.0);
        let Some((Answered::Scores(scores, _), _)) = next() else { panic!("no scores") };
        let mut local = (OpenLocal { opening, device: DeviceArg::Cpu }).local().unwrap();
        let alone = local.score(BUILT_IN, std::slice::from_ref(&picture)).unwrap();
        assert_eq!(scores, [alone[0].clone(), alone[0].clone()], "bit by bit");
        assert!(
            matches!(next(), Some((Answered::NotLoaded(..), _))),
            "of the second, and the device is well"
        );
        assert!(matches!(next(), Some((Answered::Scores(scores, _), _)) if scores == alone));
        assert!(matches!(next(), Some((Answered::Map((64, 64), _), values)) if values.len() == 64 * 64));
        assert!(matches!(next(), Some((Answered::Refused(_), _))), "the device is well");
        let Some((Answered::NotLoaded(code, ..), _)) = next() else { panic!("there is no such model") };
        assert_eq!(code, "ModelUnknown");
        assert!(next().is_none());
    }

    #[test]
    fn scores_of_nothing_are_no_answer() {
        let opening = Opening::built_in(&Config::load(None, None).unwrap()).unwrap();
        let mut asks = Vec::new();
        for asked in [Asked::Open(opening), Asked::Finish, Asked::Load(BUILT_IN, false)] {
            wire::write(&mut asks, &asked, &[]).unwrap();
        }
        let mut answers = Vec::new();
        serve(DeviceArg::Cpu, &mut asks.as_slice(), &mut answers).unwrap();
        let mut answers = answers.as_slice();
        let mut next = || wire::read::<Answered>(&mut answers).unwrap();
        assert!(matches!(next(), Some((Answered::Ready { .. }, _))));
        assert!(matches!(next(), Some((Answered::Broken(_), _))));
        assert!(next().is_none(), "the process ends");
    }

    #[test]
    fn what_opens_nothing_is_no_worker() {
        let mut asks = Vec::new();
        wire::write(&mut asks, &Asked::Load(BUILT_IN, false), &[]).unwrap();
        let error = serve(DeviceArg::Cpu, &mut asks.as_slice(), &mut Vec::new()).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::InvalidData);
    }
}
